"""``certctl-cli est``: the EST operations of a device, asked by a person (RFC 7030 §4)."""

from __future__ import annotations

import base64
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.cli.client_ending import ending
from certctl.cli.ending import EXIT_FINDINGS, complain
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import Request, What, Who, check_writable, read_input
from certctl.cli.text import Quiet
from certctl.client.est import EstServer
from certctl.client.failures import BadInput, ClientFailure, Refused, StillPending
from certctl.client.request import read_csr
from certctl.domain.plain_text import escaped
from certctl.issuers.atomic_write import write_file
from certctl.wire.csrattrs_reader import decode_csrattrs, described
from certctl.wire.der import DerError

POLL_SECONDS = 60
LONGEST_POLL_SECONDS = 3_600

CertificateOut = Annotated[
    Path | None, typer.Option("--out", help="File for the PEM, replaced atomically.")
]


est = typer.Typer(
    name="est",
    help="EST (RFC 7030): CA certificates, enrollment, renewal; and its operators' commands.",
    epilog="Example: certctl-cli est enroll --profile corp --csr device.csr --out device.pem",
    no_args_is_help=True,
)


@est.command()
@ending
@spread
def cacerts(where: Where, who: Who, *, out: CertificateOut = None) -> None:
    """Fetch the CA's certificates, PEM.

    Example: certctl-cli est cacerts --profile corp --out ca.pem
    """
    _deliver(who.est(where).cacerts(), out)


@est.command()
@ending
@spread
def csrattrs(
    where: Where,
    who: Who,
    *,
    decode: Annotated[bool, typer.Option("--decode", help="Print a readable list.")] = False,
) -> None:
    """Print what the server wants in a CSR: base64 of DER, nothing where it wants nothing.

    Example: certctl-cli est csrattrs --profile corp --decode
    """
    der = who.est(where).csrattrs()
    if not decode:
        if der:
            print(base64.b64encode(der).decode())
        return
    try:
        lines = [described(each) for each in decode_csrattrs(der)] if der else []
    except DerError as err:
        raise ClientFailure(f"The server's csrattrs cannot be read: {err}.") from err
    for line in lines:
        print(escaped(line))


@est.command()
@ending
@spread
def enroll(
    where: Where,
    who: Who,
    what: What,
    *,
    out: CertificateOut = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for an approval.")] = False,
    quiet: Quiet = False,
) -> None:
    """Enroll: send a request, get a certificate (PEM).

    Example: certctl-cli est enroll --profile corp --csr device.csr --out device.pem

    Example: certctl-cli est enroll --profile corp --user device-1 --password-file pw
    --new-key p256 --cn device-1.example.com --bind --out device.pem
    """
    _deliver_new(where, who, what, Way(renew=False, out=out, wait=wait, quiet=quiet))


@est.command()
@ending
@spread
def reenroll(
    where: Where,
    who: Who,
    what: What,
    *,
    out: CertificateOut = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for an approval.")] = False,
    quiet: Quiet = False,
) -> None:
    """Renew the certificate given with --cert and --key.

    Without --csr the request is made here, with the names of that certificate, for its
    key or a new one.

    Example: certctl-cli est reenroll --profile corp --cert device.pem --key device.key
    --new-key p256 --key-out new.key --out new.pem
    """
    _deliver_new(where, who, what, Way(renew=True, out=out, wait=wait, quiet=quiet))


@est.command()
@ending
@spread
def serverkeygen(
    where: Where,
    who: Who,
    *,
    csr: Annotated[Path, typer.Option(help="PKCS#10 request whose key the answer is for.")],
    out: Annotated[Path, typer.Option(help="Prefix of the files that are written.")],
) -> None:
    """Have the server make a key: PREFIX.cert.pem, PREFIX.key.enveloped.

    The envelope is CMS (DER), opened with the key of the request. A server that sends the
    key in plain gives PREFIX.key.pem, 0600.

    Example: certctl-cli est serverkeygen --profile iot --csr device.csr --out device
    """
    der = read_csr(read_input(csr), str(csr))
    check_writable(out)
    made = who.est(where).serverkeygen(lambda _connection: der)
    write_file(_beside(out, "cert.pem"), _pem(made.certificates), mode=0o644, replace=True)
    if made.enveloped:
        write_file(_beside(out, "key.enveloped"), made.key, mode=0o600, replace=True)
        return
    body = base64.encodebytes(made.key)
    pem = b"-----BEGIN PRIVATE KEY-----\n" + body + b"-----END PRIVATE KEY-----\n"
    write_file(_beside(out, "key.pem"), pem, mode=0o600, replace=True)


@est.command()
@ending
@spread
def fullcmc(
    where: Where,
    who: Who,
    *,
    csr: Annotated[Path, typer.Option(help="Full PKI Request: CMS, DER or PEM; - for stdin.")],
    out: CertificateOut = None,
) -> None:
    """Send a Full PKI Request (CMC) and get the certificates of the answer.

    Example: certctl-cli est fullcmc --profile corp --csr request.cms --out device.pem
    """
    check_writable(out)
    _deliver(who.est(where).fullcmc(_der_of_pem(read_input(csr), str(csr))), out)


@est.command()
@ending
@spread
def test(where: Where, who: Who, printing: Printing) -> None:
    """Ask for cacerts and csrattrs; exit code 8 where one of them is not in order.

    Example: certctl-cli est test --profile corp
    """
    server = who.est(where)
    results = [_tested("cacerts", server), _tested("csrattrs", server)]
    good = all(each["good"] for each in results)

    def people() -> None:
        for each in results:
            print(f"{'good  ' if each['good'] else 'failed'}  {each['check']}: {each['text']}")

    printing.show({"good": good, "results": results}, people)
    if not good:
        raise typer.Exit(EXIT_FINDINGS)


def _tested(name: str, server: EstServer) -> dict[str, object]:
    good, text = _outcome(name, server)
    return {"check": name, "good": good, "text": escaped(text)}


def _outcome(name: str, server: EstServer) -> tuple[bool, str]:
    try:
        if name == "cacerts":
            count = len(server.cacerts())
            told = f"{count} certificate{'s' if count > 1 else ''}"
        else:
            der = server.csrattrs()
            told = ", ".join(map(described, decode_csrattrs(der))) if der else "nothing wanted"
    except BadInput:
        raise
    except ClientFailure as failure:
        return False, " ".join(failure.lines())
    except DerError as err:
        return False, f"not DER: {err}"
    return True, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to enroll: anew or again, where to, with how much patience and how many words."""

    renew: bool
    out: Path | None
    wait: bool
    quiet: bool

    def note(self, text: str) -> None:
        if not self.quiet:
            complain(text)


def _deliver_new(where: Where, who: Who, what: What, way: Way) -> None:
    check_writable(way.out)
    server = who.est(where)
    if way.renew and server.identity is None and what.csr is None:
        raise BadInput("Which certificate is to be renewed?", "Give --cert and --key.")
    request = what.request(who, way.out, renew=way.renew)
    try:
        found = _asked(server, request, way)
    except StillPending:
        if request.key_file is not None:
            complain(f"The key stays in {request.key_file}; ask again with --sign-key.")
        raise
    except Refused as refused:
        if request.key_file is not None and refused.status < 500:
            # Nothing was certified, so the key is worth nothing and would be in the way.
            request.key_file.unlink(missing_ok=True)
        raise
    _deliver(found[:1], way.out)
    if request.key_file is not None:
        way.note(f"The key is in {request.key_file}.")


def _asked(server: EstServer, request: Request, way: Way) -> list[x509.Certificate]:
    while True:
        try:
            return server.enroll(request.csr_of, renew=way.renew)
        except StillPending as pending:
            if not way.wait:
                raise
            seconds = min(max(pending.retry_after or POLL_SECONDS, 1), LONGEST_POLL_SECONDS)
            way.note(f"Waiting for approval; asking again in {seconds} seconds.")
            time.sleep(seconds)


def _deliver(certificates: list[x509.Certificate], out: Path | None) -> None:
    pem = _pem(certificates)
    if out is None:
        sys.stdout.write(pem.decode())
    else:
        write_file(out, pem, mode=0o644, replace=True)


def _pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def _beside(prefix: Path, ending_: str) -> Path:
    return prefix.with_name(f"{prefix.name}.{ending_}")


def _der_of_pem(data: bytes, name: str) -> bytes:
    if b"-----BEGIN" not in data:
        return data
    body = b"".join(line for line in data.splitlines() if b"-----" not in line)
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as err:
        raise BadInput(f"{name} is no PEM.") from err
