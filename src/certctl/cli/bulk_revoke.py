"""``certctl-server certificates bulk-revoke``: many at once, chosen by criteria."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.authority.caller import expect
from certctl.authority.commands import BulkRevokeBegun, SliceRevoked
from certctl.cli.certificate_filters import moment, serial_number
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, complain, stop
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.progress import CLEAR_LINE, is_watched
from certctl.domain.bulk_revocation import BulkTotals, CriteriaRefused, RevocationCriteria
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of
from certctl.domain.plain_text import escaped
from certctl.domain.revocation import RevocationReason

if TYPE_CHECKING:
    from certctl.authority.commands import BeginBulkRevoke, RevokeSlice
    from certctl.settings.schema import Settings


@spread
def bulk_revoke(  # noqa: PLR0913 - an option for each criterion
    printing: Printing,
    *,
    reason: Annotated[RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")],
    profile: Annotated[
        str | None, typer.Option(help="EST profile by path ID; '' is the legacy root.")
    ] = None,
    profile_id: Annotated[str | None, typer.Option(help="Certificate profile.")] = None,
    issuer: Annotated[str | None, typer.Option(help="Issuer id.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Tenant.")] = None,
    principal: Annotated[str | None, typer.Option(help="Who was authenticated; exact.")] = None,
    certificate_id: Annotated[
        list[str] | None, typer.Option("--id", help="Id of a certificate; repeatable.")
    ] = None,
    serial: Annotated[
        list[str] | None, typer.Option(help="Serial number in hexadecimal; repeatable.")
    ] = None,
    issued_after: Annotated[
        str | None, typer.Option(help="From this date or time (ISO 8601, UTC) on.")
    ] = None,
    issued_before: Annotated[
        str | None, typer.Option(help="Before this date or time (ISO 8601, UTC).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be revoked; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    config: ConfigFile = None,
) -> None:
    """Revoke all certificates issued over EST that fit every criterion given.

    Certificates of other sources are never touched, whatever is given. Expired ones and
    those revoked already are skipped. Beside a running server orders are served
    meanwhile. If it is interrupted, give the same command again: it goes on with the rest.

    Example: certctl-server certificates bulk-revoke --reason keyCompromise
    --profile-id cp-iot-sensors --dry-run
    """
    criteria = RevocationCriteria(
        profile=profile,
        profile_id=profile_id,
        issuer_id=issuer,
        tenant=tenant,
        principal=principal,
        certificate_ids=None if certificate_id is None else tuple(certificate_id),
        serials=None if serial is None else tuple(map(serial_number, serial)),
        issued_after_us=moment(issued_after, "--issued-after"),
        issued_before_us=moment(issued_before, "--issued-before"),
    )
    settings = settings_or_exit(config, check_files=False)
    try:
        criteria.require()
    except CriteriaRefused as refused:
        stop(f"{refused}.", EXIT_USAGE)
    if dry_run:
        totals = _counted(settings, criteria, reason)
    else:
        if not yes:
            _confirm(_counted(settings, criteria, reason))
        totals = _revoked(settings, criteria, reason, quiet=printing.quiet)
    printing.show(asdict(totals) | {"dry_run": dry_run}, lambda: _print(totals, dry_run=dry_run))
    if totals.total_failed:
        raise typer.Exit(EXIT_FAILED)


def _counted(
    settings: Settings, criteria: RevocationCriteria, reason: RevocationReason
) -> BulkTotals:
    from certctl.cli.ending import from_records  # noqa: PLC0415
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - loads the database, as below

    return from_records(
        settings,
        lambda records: BulkRevocation(
            criteria, reason, actor="", operation="", records=records, now_us=system_clock()
        ).dry_run(),
    )


def _confirm(counted: BulkTotals) -> None:
    if not sys.stdin.isatty():
        stop("bulk-revoke needs --yes where nobody can be asked.", EXIT_USAGE)
    complain(f"{counted.revocable:,} certificates would be revoked.")
    if typer.prompt("Type their number to go on", err=True).replace(",", "") != str(
        counted.revocable
    ):
        stop("nothing was revoked.", EXIT_FAILED)


def _revoked(
    settings: Settings, criteria: RevocationCriteria, reason: RevocationReason, *, quiet: bool
) -> BulkTotals:
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host, ids  # noqa: PLC0415
    from certctl.wiring.clock import system_clock  # noqa: PLC0415

    totals = BulkTotals()
    shown = is_watched(quiet=quiet)

    def tell(sofar: BulkTotals) -> None:
        if shown:
            sys.stderr.write(f"\r{sofar.total_revoked:,} revoked, {sofar.total_skipped:,} skipped")
            sys.stderr.flush()

    try:
        with host.authority(settings) as execute:
            records = host.records(settings)

            def carry_out(command: BeginBulkRevoke | RevokeSlice) -> BulkRevokeBegun | SliceRevoked:
                # One of the two, by which command it was.
                result = execute(command)
                return (
                    result if isinstance(result, BulkRevokeBegun) else expect(result, SliceRevoked)
                )

            try:
                bulk = BulkRevocation(
                    criteria,
                    reason,
                    actor=host.operator(),
                    operation=ids.new_ids(system_clock)(),
                    records=records,
                    now_us=system_clock(),
                )
                totals = bulk.totals
                bulk.run(carry_out, tell)
            finally:
                records.close()
    except KeyboardInterrupt:
        _end_of_line(shown=shown)
        stop(
            f"interrupted; {totals.total_revoked:,} certificates are revoked, and stay so. Give"
            " the same command again to go on.",
            EXIT_INTERRUPTED,
        )
    except (StoreError, Failure) as failure:
        _end_of_line(shown=shown)
        stop(
            f"{words_of(failure)}; {totals.total_revoked:,} certificates are revoked so far. Give"
            " the same command again to go on.",
            EXIT_FAILED,
        )
    _end_of_line(shown=shown)
    return totals


def _end_of_line(*, shown: bool) -> None:
    if shown:
        sys.stderr.write(CLEAR_LINE)


def _print(totals: BulkTotals, *, dry_run: bool) -> None:
    if dry_run:
        print(f"{totals.revocable:,} certificates would be revoked; nothing was changed.")
    print(
        f"matched {totals.total_matched:,}  revoked {totals.total_revoked:,}"
        f"  skipped {totals.total_skipped:,}  failed {totals.total_failed:,}"
    )
    for error in totals.errors:
        complain(escaped(error))
