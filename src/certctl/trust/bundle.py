"""A profile's trust bundle: the file of CA certificates that its clients chain to.

Read once at start and at each reload, all or nothing (``wire.trust_bundle``). Anchors
pass the strict reading of client certificates besides: two parsers must agree on them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import CertificateRefused
from certctl.trust.name_text import name_text
from certctl.trust.presented import read_presented
from certctl.wire.trust_bundle import MAX_BUNDLE, BundleFault, decode_bundle


class BundleRefused(Exception):
    """A trust bundle that must not or cannot be used; tells the operator how to mend it."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One certificate of a bundle, for lists and warnings.

    Attributes:
        subject: text after RFC 4514.
        not_before_us: microseconds since the epoch.
        not_after_us: microseconds since the epoch.
    """

    der: bytes
    subject: str
    not_before_us: int
    not_after_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The anchors of one file in its order, each once; ``crls`` are its CRLs (DER)."""

    path: Path
    anchors: tuple[Anchor, ...]
    crls: tuple[bytes, ...] = ()

    @property
    def ders(self) -> tuple[bytes, ...]:
        """What ``ProfileTrust`` takes."""
        return tuple(anchor.der for anchor in self.anchors)

    def expiring(self, before_us: int) -> tuple[Anchor, ...]:
        """Anchors that expire before a time: the lint's question."""
        return tuple(anchor for anchor in self.anchors if anchor.not_after_us < before_us)


def load_bundle(path: Path, *, now_us: int) -> Bundle:
    """Read a PEM bundle.

    Raises:
        BundleRefused: unreadable, or a fault of its contents (``decode_bundle``).
    """
    try:
        contents = decode_bundle(read_bundle_file(path), now_us=now_us)
    except BundleFault as fault:
        raise BundleRefused(path, fault.problem, fault.remedy) from fault
    # dict.fromkeys keeps the order and drops what stands there twice.
    ders = dict.fromkeys(each.public_bytes(Encoding.DER) for each in contents.certificates)
    return Bundle(
        path=path,
        anchors=tuple(_anchor(path, position, der) for position, der in enumerate(ders, 1)),
        crls=tuple(each.public_bytes(Encoding.DER) for each in contents.crls),
    )


def read_bundle_file(path: Path) -> bytes:
    """The octets of a bundle, read once through one descriptor; nothing is parsed.

    Raises:
        BundleRefused: unreadable, no regular file, too large, or written to meanwhile.
    """
    try:
        # Not blocking: a named pipe would otherwise hold up whoever asks.
        with open(path, "rb", opener=_open_without_waiting) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise BundleRefused(path, "is not a regular file", "mend the path")
            data = file.read(MAX_BUNDLE + 1)
            after = os.fstat(file.fileno())
    except IsADirectoryError as err:
        raise BundleRefused(path, "is not a regular file", "mend the path") from err
    except OSError as err:
        raise BundleRefused(
            path, f"cannot be read ({err.strerror})", "mend the path or its permissions"
        ) from err
    if len(data) > MAX_BUNDLE:
        raise BundleRefused(path, "is larger than 8 MiB", "put only the anchors into it")
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise BundleRefused(
            path, "is being written", "write a new file beside it and rename it over this one"
        )
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _anchor(path: Path, position: int, der: bytes) -> Anchor:
    try:
        presented = read_presented(der)
        # OpenSSL is the stricter one about extensions; found here, the operator hears of it.
        crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except (CertificateRefused, crypto.Error) as err:
        raise BundleRefused(
            path, f"certificate {position} cannot be read", "replace or remove it"
        ) from err
    parsed = presented.parsed
    return Anchor(
        der=der,
        subject=name_text(presented.subject_der),
        not_before_us=int(parsed.not_valid_before_utc.timestamp()) * SECOND_US,
        not_after_us=int(parsed.not_valid_after_utc.timestamp()) * SECOND_US,
    )
