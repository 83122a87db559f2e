"""``certctl-cli est bulk-revoke``: many certificates at once, counted first (records §4)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.ending import EXIT_FAILED
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import Once, api
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est import est
from certctl.client.failures import BadInput
from certctl.domain.revocation import RevocationReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which certificates; all that are given hold together."""

    profile: Annotated[str | None, typer.Option(help="EST profile.")] = None
    certificate_profile: Annotated[str | None, typer.Option(help="Certificate profile.")] = None
    issuer: Annotated[str | None, typer.Option(help="Issuer.")] = None
    tenant: Annotated[str | None, typer.Option(help="Tenant.")] = None
    principal: Annotated[str | None, typer.Option(help="Who was authenticated, exactly.")] = None
    certificate_id: Annotated[list[str] | None, typer.Option(help="Ids of certificates.")] = None
    serial: Annotated[list[str] | None, typer.Option(help="Serial numbers.")] = None
    issued_after: Annotated[str | None, typer.Option(help="RFC 3339, included.")] = None
    issued_before: Annotated[str | None, typer.Option(help="RFC 3339, not included.")] = None

    def body(self) -> dict[str, Any]:
        """As the API takes it.

        Raises:
            BadInput: nothing would limit what is revoked.
        """
        given = {
            "profile": self.profile,
            "profile_id": self.certificate_profile,
            "issuer_id": self.issuer,
            "tenant": self.tenant,
            "principal": self.principal,
            "certificate_ids": self.certificate_id or None,
            "serials": self.serial or None,
            "issued_after": self.issued_after,
            "issued_before": self.issued_before,
        }
        found = {name: value for name, value in given.items() if value is not None}
        if not found:
            raise BadInput("Which certificates?", "Give at least one criterion.")
        return found


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
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    once: Once = None,
) -> None:
    """Revoke every certificate issued over EST that fits all criteria.

    They are counted first, and their number has to be typed, or --yes given.

    Example: certctl-cli est bulk-revoke --profile iot --issued-before 2026-06-01T00:00:00Z
    --reason keyCompromise --dry-run
    """
    body = criteria.body() | {"reason": reason.value}
    path = "/est/certificates/bulk-revoke"
    with api(where) as server:
        counted = server.write("POST", path, body | {"dry_run": True})
        if dry_run:
            printing.fields(counted)
            return
        if not yes:
            _confirm(counted["total_matched"] - counted["total_skipped"])
        done = server.write("POST", path, body, once=once)
    printing.fields(done)
    if done["total_failed"]:
        raise typer.Exit(EXIT_FAILED)


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise BadInput(f"{count} certificates would be revoked.", "Give --yes to do it.")
    if typer.prompt(f"{count} certificates will be revoked. Type their number", err=True) != str(
        count
    ):
        raise BadInput("Nothing was revoked.")
