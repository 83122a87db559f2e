"""``certctl-server certificates``: what is on record, and its revocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certctl.authority.commands import RevocationDone, RevokeCertificate
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
    command_done,
    from_records,
    stop,
)
from certctl.cli.text import utc
from certctl.domain.errors import NotFound
from certctl.domain.revocation import RevocationReason

if TYPE_CHECKING:
    from certctl.domain.certificates import CertificateRecord
    from certctl.settings.schema import Settings

certificates = typer.Typer(
    name="certificates", help="Find and revoke certificates.", no_args_is_help=True
)


@certificates.callback()
def _group() -> None:
    """Find and revoke certificates."""


@certificates.command()
def revoke(
    serial: Annotated[
        str, typer.Argument(help="Serial number in hexadecimal, colons allowed.", metavar="SERIAL")
    ],
    *,
    reason: Annotated[
        RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")
    ] = RevocationReason.UNSPECIFIED,
    issuer: Annotated[
        str | None, typer.Option(help="Issuer id, where two issuers gave this number.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Revoke one certificate: from now on it renews nothing.

    Works beside a running server and without one. A certificate that is revoked already
    stays as it was.

    Example: certctl-server certificates revoke 5f:3a:09 --reason keyCompromise
    """
    settings = settings_or_exit(config, check_files=False)
    record = _find(settings, _normal(serial), issuer)

    def command(actor: str) -> RevokeCertificate:
        return RevokeCertificate(certificate_id=record.id, reason=reason, actor=actor)

    try:
        done = command_done(settings, command, RevocationDone).revocation
    except NotFound as failure:
        stop(str(failure), EXIT_FAILED)
    state = "was revoked already" if done.already else "revoked"
    print(f"{done.serial}  {record.subject}  {state}: {done.reason.value}, {utc(done.revoked_us)}Z")


def _normal(serial: str) -> str:
    """Hex as records have it; people copy it with colons, spaces, 0x and capitals."""
    text = serial.replace(":", "").replace(" ", "").lower().removeprefix("0x")
    if not text or set(text) - set("0123456789abcdef"):
        stop(
            f"{serial!r} is no serial number; give hexadecimal digits, as openssl x509 -serial"
            " prints them.",
            EXIT_USAGE,
        )
    return text


def _find(settings: Settings, serial: str, issuer: str | None) -> CertificateRecord:
    known = from_records(settings, lambda records: records.with_serial(serial))
    found = [each for each in known if issuer is None or each.issuer_id == issuer]
    if not found:
        stop(f"no certificate with serial {serial} is on record.", EXIT_NOT_FOUND)
    if len(found) > 1:
        names = ", ".join(each.issuer_id for each in found)
        stop(
            f"{len(found)} issuers gave serial {serial}: {names}; choose one with --issuer.",
            EXIT_USAGE,
        )
    return found[0]
