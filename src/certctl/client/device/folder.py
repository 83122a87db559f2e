"""Key and certificate on disk, so that a power cut at any moment leaves a pair that fits.

::

    DIR/current        -> 00000007, switched in one rename
    DIR/00000006/         the pair before, kept
    DIR/00000007/         key.pem (0600), request.der, cert.pem, chain.pem
    DIR/hook-due          a new pair that the hook was not told of yet

A pair is made aside: first the key, so that no certificate is for a key that is lost; the
certificate last, so that a folder that has one is whole. What a power cut leaves undone
the next start finishes: a whole pair is switched to, an unfinished one is asked for again
with the same key and request, which a server answers with the same certificate.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.client.failures import BadInput, ClientFailure
from certctl.client.request import (
    NewKey,
    PrivateKey,
    Wanted,
    make_csr,
    make_key,
    private_key_pem,
    read_private_key,
)
from certctl.client.tls import Identity
from certctl.issuers.atomic_write import sync_directory, write_file
from certctl.wire.unreadable import UNREADABLE

CURRENT = "current"
HOOK_DUE = "hook-due"
_NEW_LINK = ".current.tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One numbered folder."""

    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "key.pem"

    @property
    def certificate_file(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def chain_file(self) -> Path:
        """The certificate and what the server sent beside it."""
        return self.folder / "chain.pem"

    @property
    def request_file(self) -> Path:
        return self.folder / "request.der"

    @property
    def identity(self) -> Identity:
        return Identity(certificate_file=self.certificate_file, key_file=self.key_file)

    def key(self) -> PrivateKey:
        """Raises: BadInput, OSError."""
        return read_private_key(self.key_file.read_bytes(), str(self.key_file))

    def certificate(self) -> x509.Certificate:
        """Raises: BadInput, OSError."""
        try:
            return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except UNREADABLE as err:
            raise BadInput(f"{self.certificate_file} holds no certificate.") from err

    def whole(self) -> bool:
        """A certificate is there, and for this key."""
        try:
            return self.certificate().public_key() == self.key().public_key()
        except (ClientFailure, OSError):
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFolder:
    """The folder ``DIR``. All that changes it is done under ``locked``."""

    directory: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time; what a power cut left undone is finished first.

        Raises:
            ClientFailure: another process is at it.
            OSError: the folder cannot be written.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise ClientFailure(
                    f"Another process is at work in {self.directory}.", "Let it end first."
                ) from err
            self._recover()
            yield

    def current(self) -> Pair | None:
        """The pair in use.

        Raises:
            BadInput: it does not fit; nothing here ever makes such a pair.
        """
        link = self.directory / CURRENT
        if not link.is_symlink():
            return None
        pair = Pair(folder=self.directory / link.readlink())
        if not pair.whole():
            raise BadInput(
                f"Key and certificate in {link} do not fit.",
                "Somebody changed them. Take `current` away to enroll anew.",
            )
        return pair

    def begin(self, wanted: Wanted, kind: NewKey) -> Pair:
        """A pair in work: key and request are on disk. An unfinished one is gone on with,
        where it is for the same names.
        """
        newest = self._newest()
        if newest is not None and newest != self.current() and _is_for(newest, wanted):
            return newest
        if newest is not None and newest != self.current():
            self.discard(newest)
        pair = Pair(folder=self.directory / f"{self._number(newest) + 1:08}")
        pair.folder.mkdir(mode=0o700)
        sync_directory(self.directory)
        key = make_key(kind)
        write_file(pair.key_file, private_key_pem(key), mode=0o600)
        write_file(pair.request_file, make_csr(wanted, key), mode=0o600)
        return pair

    def finish(self, pair: Pair, certificates: Sequence[x509.Certificate]) -> None:
        """Keep what the server gave, and make it the current pair."""
        pem = [each.public_bytes(Encoding.PEM) for each in certificates]
        write_file(pair.chain_file, b"".join(pem), mode=0o644, replace=True)
        write_file(pair.certificate_file, pem[0], mode=0o644, replace=True)
        self._switch(pair)
        self._prune()

    def discard(self, pair: Pair) -> None:
        """Take an unfinished pair away, its key with it."""
        shutil.rmtree(pair.folder)
        sync_directory(self.directory)

    @property
    def hook_due(self) -> bool:
        return (self.directory / HOOK_DUE).exists()

    def hook_done(self) -> None:
        """The hook was told of the current pair."""
        (self.directory / HOOK_DUE).unlink(missing_ok=True)
        sync_directory(self.directory)

    def _switch(self, pair: Pair) -> None:
        # Before the switch, so that no power cut leaves a new pair that nobody is told of.
        write_file(self.directory / HOOK_DUE, b"", mode=0o600, replace=True)
        link = self.directory / _NEW_LINK
        link.unlink(missing_ok=True)
        link.symlink_to(pair.folder.name)
        link.replace(self.directory / CURRENT)
        sync_directory(self.directory)

    def _recover(self) -> None:
        # Also inside the numbered folders: a file that was being written has such a name.
        for left in [*self.directory.glob(".*.tmp"), *self.directory.glob("[0-9]*/.*.tmp")]:
            left.unlink(missing_ok=True)
        newest = self._newest()
        if newest is None or newest == self._linked():
            return
        if newest.whole():
            self._switch(newest)
            self._prune()
        elif not _begun(newest):
            self.discard(newest)

    def _prune(self) -> None:
        """All but the current pair and the one before it."""
        for pair in self._pairs()[:-2]:
            shutil.rmtree(pair.folder)
        sync_directory(self.directory)

    def _linked(self) -> Pair | None:
        link = self.directory / CURRENT
        return Pair(folder=self.directory / link.readlink()) if link.is_symlink() else None

    def _newest(self) -> Pair | None:
        pairs = self._pairs()
        return pairs[-1] if pairs else None

    def _pairs(self) -> list[Pair]:
        names = [each for each in os.listdir(self.directory) if each.isdecimal()]  # noqa: PTH208
        return [Pair(folder=self.directory / name) for name in sorted(names, key=int)]

    @staticmethod
    def _number(pair: Pair | None) -> int:
        return int(pair.folder.name) if pair is not None else 0


def _begun(pair: Pair) -> bool:
    """Key and request are on disk, and fit."""
    try:
        csr = x509.load_der_x509_csr(pair.request_file.read_bytes())
        return csr.public_key() == pair.key().public_key()
    except (ValueError, ClientFailure, OSError):
        return False


def _is_for(pair: Pair, wanted: Wanted) -> bool:
    if not _begun(pair):
        return False
    csr = x509.load_der_x509_csr(pair.request_file.read_bytes())
    try:
        sans = tuple(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        sans = ()
    return csr.subject == wanted.subject and sans == wanted.sans
