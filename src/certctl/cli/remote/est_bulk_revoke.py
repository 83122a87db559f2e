"""``certctl-cli est bulk-revoke``: many certificates at once, counted first (records §4)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import typer

from certctl.cli.certificate_filters import Unreadable, read_moment, read_serial
from certctl.cli.client_ending import ending, program
from certctl.cli.ending import EXIT_FAILED, complain
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.progress import Waiting
from certctl.cli.remote.asking import Once, api
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est import est
from certctl.cli.text import OutputForm
from certctl.client.failures import BadInput, Unreachable
from certctl.client.rest import LONG_SECONDS, RestServer
from certctl.domain.revocation import RevocationReason

PATH = "/est/certificates/bulk-revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which certificates; all that are given hold together."""

    profile: Annotated[
        str | None, typer.Option(help="EST profile by path ID; '' is the legacy root.")
    ] = None
    certificate_profile: Annotated[str | None, typer.Option(help="Certificate profile.")] = None
    issuer: Annotated[str | None, typer.Option(help="Issuer id.")] = None
    tenant: Annotated[str | None, typer.Option(help="Tenant.")] = None
    principal: Annotated[str | None, typer.Option(help="Who was authenticated, exactly.")] = None
    certificate_id: Annotated[
        list[str] | None, typer.Option(help="Id of a certificate; repeatable.")
    ] = None
    serial: Annotated[
        list[str] | None, typer.Option(help="Serial number in hexadecimal; repeatable.")
    ] = None
    issued_after: Annotated[
        str | None, typer.Option(help="From this date or time (ISO 8601, UTC) on.")
    ] = None
    issued_before: Annotated[
        str | None, typer.Option(help="Before this date or time (ISO 8601, UTC).")
    ] = None

    def body(self) -> dict[str, Any]:
        """As the API takes it.

        Raises:
            BadInput: nothing would limit what is revoked, or something cannot be read.
        """
        try:
            serials = [read_serial(each) for each in self.serial or ()]
            after = _moment(self.issued_after, "--issued-after")
            before = _moment(self.issued_before, "--issued-before")
        except Unreadable as err:
            raise BadInput(str(err)) from err
        given = {
            "profile": self.profile,
            "profile_id": self.certificate_profile,
            "issuer_id": self.issuer,
            "tenant": self.tenant,
            "principal": self.principal,
            "certificate_ids": self.certificate_id or None,
            "serials": serials or None,
            "issued_after": after,
            "issued_before": before,
        }
        found = {name: value for name, value in given.items() if value is not None}
        if not found:
            options = ", ".join(f"--{each.name.replace('_', '-')}" for each in fields(self))
            raise BadInput("Which certificates?", f"Give at least one criterion: {options}.")
        return found


def _moment(text: str | None, option: str) -> str | None:
    return None if text is None else read_moment(text, option).isoformat()


@est.command("bulk-revoke")
@ending
@spread
def bulk_revoke(
    where: Where,
    criteria: Criteria,
    printing: Printing,
    *,
    reason: Annotated[
        RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")
    ] = RevocationReason.UNSPECIFIED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    once: Once = None,
) -> None:
    """Revoke every certificate issued over EST that fits all criteria.

    They are counted first, and their number has to be typed, or --yes given. The server does
    it to its end, also where this command is interrupted or loses its connection; given
    again, it takes up what is left.

    Example: certctl-cli est bulk-revoke --profile iot --issued-before 2026-06-01T00:00:00Z
    --reason keyCompromise --dry-run
    """
    body = criteria.body() | {"reason": reason.value}
    with api(where) as server:
        counted = _counted(server, body, printing)
        count = counted["total_matched"] - counted["total_skipped"]
        if dry_run or not (count or yes):
            if printing.form is OutputForm.TABLE:
                printing.note(f"{_certificates(count)} would be revoked; nothing was changed.")
            printing.fields(counted)
            return
        if not yes:
            _confirm(count)
        done = _revoked(server, body, count, printing, once=once)
    printing.fields(done)
    if done["total_failed"]:
        raise typer.Exit(EXIT_FAILED)


def _counted(server: RestServer, body: Mapping[str, Any], printing: Printing) -> dict[str, Any]:
    try:
        with Waiting("The server counts", quiet=printing.quiet):
            found: dict[str, Any] = server.write(
                "POST", PATH, {**body, "dry_run": True}, seconds=LONG_SECONDS
            )
    except KeyboardInterrupt:
        complain(f"{program()}: nothing was revoked.")
        raise
    return found


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise BadInput(f"{_certificates(count)} would be revoked.", "Give --yes to do it.")
    try:
        typed = typer.prompt(f"{_certificates(count)} will be revoked. Type their number", err=True)
    except typer.Abort:
        typed = ""
        complain("")
    if typed.replace(",", "").strip() != str(count):
        raise BadInput("Nothing was revoked.")


def _revoked(
    server: RestServer,
    body: Mapping[str, Any],
    count: int,
    printing: Printing,
    *,
    once: str | None,
) -> dict[str, Any]:
    """The server says nothing until all is done, and goes on where nobody waits for it."""
    waiting = Waiting(
        f"The server revokes {_certificates(count)}",
        " (Ctrl-C: it goes on alone)",
        quiet=printing.quiet,
    )
    try:
        with waiting:
            done: dict[str, Any] = server.write("POST", PATH, body, once=once, seconds=LONG_SECONDS)
    except Unreachable as lost:
        lost.remedy = f"If the request has reached it, the server goes on to its end. {_LEFT}"
        raise
    except KeyboardInterrupt:
        complain(
            f"{program()}: this command waits no longer; the server goes on to its end"
            f" ({_certificates(count)})."
        )
        complain(f"  {_LEFT}")
        raise
    return done


def _certificates(count: int) -> str:
    return "1 certificate" if count == 1 else f"{count:,} certificates"


_LEFT = (
    "The same command with --dry-run counts what is left, and without it takes that up; neither"
    " does harm meanwhile."
)
