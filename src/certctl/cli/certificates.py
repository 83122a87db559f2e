"""``certctl-server certificates``: what is on record, and its revocation."""

from __future__ import annotations

from typing import Annotated

import typer

from certctl.authority.commands import (
    CertificateReleased,
    ReleaseCertificate,
    RevocationDone,
    RevokeCertificate,
)
from certctl.cli import bulk_revoke, certificate_show, import_certificates, inventory
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FAILED, command_done, stop
from certctl.cli.find_certificate import one
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.text import utc, utc_z
from certctl.domain.errors import NotFound
from certctl.domain.failure_words import words_of
from certctl.domain.plain_text import escaped
from certctl.domain.revocation import RevocationReason

Which = Annotated[
    str,
    typer.Argument(
        help="Serial number in hexadecimal, colons allowed, or id.", metavar="SERIAL|ID"
    ),
]
IssuerId = Annotated[
    str | None, typer.Option(help="Issuer id, where two issuers gave this number.")
]

certificates = typer.Typer(
    name="certificates",
    help="Find, import and revoke certificates.",
    epilog="Example: certctl-server certificates search 'sensor-0815*'",
    no_args_is_help=True,
)
certificates.command("list")(inventory.show_list)
certificates.command()(inventory.search)
certificates.command()(certificate_show.show)
certificates.command("import")(import_certificates.import_files)
certificates.command()(bulk_revoke.bulk_revoke)


@certificates.callback()
def _group() -> None:
    """Find, import and revoke certificates."""


@certificates.command()
@spread
def revoke(
    serial: Which,
    printing: Printing,
    *,
    reason: Annotated[
        RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")
    ] = RevocationReason.UNSPECIFIED,
    issuer: IssuerId = None,
    config: ConfigFile = None,
) -> None:
    """Revoke one certificate: from now on it renews nothing.

    Works beside a running server and without one. A certificate that is revoked already
    stays as it was; only certificateHold gives way to another reason, for good.

    Example: certctl-server certificates revoke 5f:3a:09 --reason keyCompromise
    """
    settings = settings_or_exit(config, check_files=False)
    record = one(settings, serial, issuer).record

    def command(actor: str) -> RevokeCertificate:
        return RevokeCertificate(certificate_id=record.id, reason=reason, actor=actor)

    try:
        done = command_done(settings, command, RevocationDone).revocation
    except NotFound as failure:
        stop(str(words_of(failure)), EXIT_FAILED)
    state = "was revoked already" if done.already else "revoked"
    subject = escaped(record.subject)
    printing.show(
        {
            "id": record.id,
            "serial": done.serial,
            "subject": record.subject,
            "revoked_at": utc_z(done.revoked_us),
            "reason": done.reason.value,
            "already_revoked": done.already,
        },
        lambda: print(
            f"{done.serial}  {subject}  {state}: {done.reason.value}, {utc(done.revoked_us)}Z"
        ),
    )


@certificates.command()
@spread
def release(
    serial: Which, printing: Printing, *, issuer: IssuerId = None, config: ConfigFile = None
) -> None:
    """Release a certificate from hold: it is valid again, and renews at once.

    Only what was revoked with certificateHold can be released.

    Example: certctl-server certificates release 5f:3a:09
    """
    settings = settings_or_exit(config, check_files=False)
    record = one(settings, serial, issuer).record

    def command(actor: str) -> ReleaseCertificate:
        return ReleaseCertificate(certificate_id=record.id, actor=actor)

    try:
        done = command_done(settings, command, CertificateReleased)
    except NotFound as failure:
        stop(str(words_of(failure)), EXIT_FAILED)
    printing.show(
        {
            "id": record.id,
            "serial": done.serial,
            "subject": record.subject,
            "released_at": utc_z(done.released_us),
        },
        lambda: print(
            f"{done.serial}  {escaped(record.subject)}  released: {utc(done.released_us)}Z"
        ),
    )
