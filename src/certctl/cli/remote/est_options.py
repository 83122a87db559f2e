"""Options of ``certctl-cli est``: the profile, who we are for it, and what is asked for."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from certctl.cli.remote.contexts import Where
from certctl.client.est import BasicAuth, CsrOf, EstServer
from certctl.client.failures import BadInput
from certctl.client.request import (
    NewKey,
    PrivateKey,
    Wanted,
    make_csr,
    make_key,
    private_key_pem,
    read_csr,
    read_private_key,
)
from certctl.client.tls import Identity, TlsConnection
from certctl.issuers.atomic_write import write_file
from certctl.wire.unreadable import UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Which EST profile, and with which credentials."""

    profile: Annotated[
        str, typer.Option(help="EST profile as in the URL; empty for the legacy root.")
    ] = ""
    user: Annotated[str | None, typer.Option(help="User name for HTTP Basic.")] = None
    password_file: Annotated[
        Path | None,
        typer.Option(help="File with the password, - for standard input; asked for otherwise."),
    ] = None
    cert: Annotated[
        Path | None, typer.Option(help="Client certificate (PEM); then the est-mtls route.")
    ] = None
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None
    route: Annotated[
        str | None, typer.Option(help="est or est-mtls, where the default is not right.")
    ] = None

    def est(self, where: Where) -> EstServer:
        """The server as this caller sees it.

        Raises:
            BadInput: options that do not go together, or files that cannot be used.
        """
        if self.route not in (None, "est", "est-mtls"):
            raise BadInput("--route takes est or est-mtls.")
        if any(c in self.profile for c in "/?#% ") or not self.profile.isascii():
            raise BadInput("--profile takes one path segment, as in the URL.")
        if self.password_file is not None and self.user is None:
            raise BadInput("--password-file needs --user.")
        target = where.target()
        return EstServer(
            address=target.address,
            profile=self.profile,
            trust=target.trust,
            basic=self._basic(),
            identity=self.identity(),
            route=self.route,
        )

    def identity(self) -> Identity | None:
        if (self.cert is None) != (self.key is None):
            raise BadInput("--cert and --key go together.")
        if self.cert is None or self.key is None:
            return None
        return Identity(certificate_file=self.cert, key_file=self.key)

    def _basic(self) -> BasicAuth | None:
        if self.user is None:
            return None
        if self.password_file is None:
            if not sys.stdin.isatty():
                raise BadInput("--user needs --password-file where nobody can be asked.")
            return BasicAuth(user=self.user, password=getpass.getpass())
        return BasicAuth(
            user=self.user, password=read_input(self.password_file).decode().strip("\r\n")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """The request: one that is there, or one made here."""

    csr: Annotated[
        Path | None, typer.Option(help="PKCS#10 request, PEM or DER; - for standard input.")
    ] = None
    new_key: Annotated[NewKey | None, typer.Option(help="Make a key of this kind.")] = None
    key_out: Annotated[
        Path | None, typer.Option(help="Where the new key goes. Default: OUT with .key.")
    ] = None
    sign_key: Annotated[
        Path | None, typer.Option(help="Make the request with this private key (PEM).")
    ] = None
    cn: Annotated[str, typer.Option(help="Common name of a request made here.")] = ""
    san: Annotated[
        list[str] | None,
        typer.Option(help="DNS:…, IP:…, URI:… or EMAIL:…; may be given more than once."),
    ] = None
    bind: Annotated[
        bool,
        typer.Option("--bind", help="Bind the request to the TLS connection (tls-exporter)."),
    ] = False

    def request(self, who: Who, out: Path | None, *, renew: bool) -> Request:
        """The request to send; a new key is on disk from here on.

        Raises:
            BadInput: options that do not go together, or files that cannot be used.
        """
        if self.csr is not None:
            if self.bind or self.new_key or self.sign_key or self.cn or self.san:
                raise BadInput(
                    "--csr is sent as it is: leave out --bind, --new-key, --sign-key, --cn, --san."
                )
            der = read_csr(read_input(self.csr), str(self.csr))
            return Request(csr_of=lambda _connection: der)
        wanted = self._wanted(who, renew=renew)
        key_file = self._key_file(out)
        key = self._key(who, renew=renew)
        if key_file is not None:
            try:
                write_file(key_file, private_key_pem(key), mode=0o600)
            except FileExistsError:
                raise BadInput(
                    f"{key_file} is there already and is not overwritten.",
                    "Take another --key-out, or use that key with --sign-key.",
                ) from None

        def csr_of(connection: TlsConnection) -> bytes:
            return make_csr(wanted, key, exporter=connection.exporter() if self.bind else None)

        if not self.bind:
            der = make_csr(wanted, key)
            return Request(csr_of=lambda _connection: der, key_file=key_file)
        return Request(csr_of=csr_of, key_file=key_file)

    def _wanted(self, who: Who, *, renew: bool) -> Wanted:
        if renew and who.cert is not None and not (self.cn or self.san):
            try:
                return Wanted.as_in(x509.load_pem_x509_certificate(read_input(who.cert)))
            except UNREADABLE as err:
                raise BadInput(f"{who.cert} holds no certificate.") from err
        wanted = Wanted.of(self.cn, self.san or ())
        if not wanted.subject.rdns and not wanted.sans:
            raise BadInput("What is to be certified?", "Give --csr, or --cn and --new-key.")
        return wanted

    def _key_file(self, out: Path | None) -> Path | None:
        if self.new_key is None:
            if self.key_out is not None:
                raise BadInput("--key-out needs --new-key.")
            return None
        if self.key_out is None and out is None:
            raise BadInput("Where does the new key go?", "Give --key-out or --out.")
        key_file = self.key_out or (out.with_suffix(".key") if out else None)
        if key_file == out:
            raise BadInput("Key and certificate cannot go into one file.", "Give --key-out.")
        return key_file

    def _key(self, who: Who, *, renew: bool) -> PrivateKey:
        if self.new_key is not None:
            return make_key(self.new_key)
        path = self.sign_key or (who.key if renew else None)
        if path is None:
            raise BadInput("With which key?", "Give --new-key p256, --sign-key or --csr.")
        return read_private_key(read_input(path), str(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send, and the file of a key that was made for it."""

    csr_of: CsrOf
    key_file: Path | None = None


def check_writable(path: Path | None) -> None:
    """Before anything is asked for: what comes must find its place.

    Raises:
        BadInput: no such folder, or one that cannot be written.
    """
    if path is None:
        return
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or path.is_dir():
        raise BadInput(f"{path} cannot be written.", "Its folder must exist and be writable.")


def read_input(path: Path) -> bytes:
    """A file, or standard input for ``-``."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as err:
        raise BadInput(f"{path} cannot be read: {err.strerror}.") from err
