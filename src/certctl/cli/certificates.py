"""``certctl-server certificates``: what is on record, and its revocation."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.domain.revocation import RevocationReason

if TYPE_CHECKING:
    from certctl.domain.certificates import CertificateRecord
    from certctl.settings.schema import Settings

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3

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
    # Loads the database and the authority.
    from certctl.authority.commands import RevocationDone, RevokeCertificate  # noqa: PLC0415
    from certctl.domain.errors import Failure  # noqa: PLC0415
    from certctl.store import StoreError  # noqa: PLC0415
    from certctl.wiring import host  # noqa: PLC0415

    try:
        record = _find(settings, _normal(serial), issuer)
        command = RevokeCertificate(certificate_id=record.id, reason=reason, actor=host.operator())
        done = host.run_command(settings, command, RevocationDone).revocation
    except (StoreError, Failure) as failure:
        print(f"certctl-server: {failure}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from failure
    when = datetime.fromtimestamp(done.revoked_us // 1_000_000, UTC)
    state = "was revoked already" if done.already else "revoked"
    print(
        f"{done.serial}  {record.subject}  {state}: {done.reason.value}, {when:%Y-%m-%d %H:%M:%S}Z"
    )


def _normal(serial: str) -> str:
    """Hex as records have it; people copy it with colons, spaces, 0x and capitals."""
    text = serial.replace(":", "").replace(" ", "").lower().removeprefix("0x")
    if not text or set(text) - set("0123456789abcdef"):
        print(
            f"certctl-server: {serial!r} is no serial number; give hexadecimal digits, as"
            " openssl x509 -serial prints them.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    return text


def _find(settings: Settings, serial: str, issuer: str | None) -> CertificateRecord:
    from certctl.wiring import host  # noqa: PLC0415 - loads the database

    records = host.records(settings)
    try:
        known = records.with_serial(serial)
    finally:
        records.close()
    found = [each for each in known if issuer is None or each.issuer_id == issuer]
    if not found:
        print(f"certctl-server: no certificate with serial {serial} is on record.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_FOUND)
    if len(found) > 1:
        names = ", ".join(each.issuer_id for each in found)
        print(
            f"certctl-server: {len(found)} issuers gave serial {serial}: {names};"
            " choose one with --issuer.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_USAGE)
    return found[0]
