"""``certctl-cli est profiles|revoke|activity``: EST as its operators see it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import DEFAULT_LIMIT, Limit, Once, api, segment
from certctl.cli.remote.audit import Filters, events, follow
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est import est
from certctl.client.failures import BadInput
from certctl.domain.revocation import RevocationReason

PROFILE_COLUMNS = {
    "name": "PROFILE",
    "issuer_id": "ISSUER",
    "profile_id": "CERTIFICATE PROFILE",
    "auth_modes": "AUTH",
    "channel_binding_required": "BINDING",
    "anchors": "ANCHORS",
    "lint": "FINDINGS",
}


@est.command("profiles")
@ending
@spread
def show_profiles(where: Where, printing: Printing) -> None:
    """List EST profiles with their authentication, trust anchors and findings.

    Example: certctl-cli est profiles --output yaml
    """
    with api(where) as server:
        answer = server.get("/admin/est/profiles")
    printing.rows(answer, [_row(each) for each in answer["profiles"]], PROFILE_COLUMNS)


@est.command("reload-trust")
@ending
@spread
def reload_trust(
    where: Where,
    printing: Printing,
    *,
    profile: Annotated[str, typer.Option(help="EST profile; empty for the legacy root.")] = "",
    once: Once = None,
) -> None:
    """Have the server read the trust bundle of an EST profile again.

    Example: certctl-cli est reload-trust --profile corp
    """
    with api(where) as server:
        body = {"path_id": profile}
        printing.fields(server.write("POST", "/admin/est/reload-trust", body, once=once))


@est.command()
@ending
@spread
def revoke(
    serial: Annotated[str, typer.Argument(help="Serial number, hexadecimal.", metavar="SERIAL")],
    where: Where,
    printing: Printing,
    *,
    reason: Annotated[
        RevocationReason, typer.Option(help="Why (RFC 5280 §5.3.1).")
    ] = RevocationReason.UNSPECIFIED,
    issuer: Annotated[str | None, typer.Option(help="Where two issuers gave this number.")] = None,
    once: Once = None,
) -> None:
    """Revoke a certificate by its serial number.

    Example: certctl-cli est revoke 5f:3a:09 --reason keyCompromise
    """
    body: dict[str, Any] = {"reason": reason.value}
    if issuer is not None:
        body["issuer_id"] = issuer
    number = serial.replace(":", "").removeprefix("0x")
    if not number or any(c not in "0123456789abcdefABCDEF" for c in number):
        raise BadInput(f"{serial!r} is no serial number.", "Hexadecimal, with or without colons.")
    with api(where) as server:
        path = f"/certificates/serial/{segment(number, 'serial number')}/revoke"
        printing.fields(server.write("POST", path, body, once=once))


@est.command()
@ending
@spread
def activity(
    where: Where,
    filters: Filters,
    printing: Printing,
    *,
    follow_: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, as events come.")
    ] = False,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show what EST was asked lately, the newest first; with --follow as it happens.

    Example: certctl-cli est activity --profile corp --follow
    """
    if follow_:
        follow(where, filters.within("est_"), printing)
    else:
        events(where, filters.within("est_"), printing, limit=limit)


def _row(profile: dict[str, Any]) -> dict[str, Any]:
    anchors = profile.get("trust_anchors") or []
    days = [each["days_to_expiry"] for each in anchors]
    return {
        **profile,
        "name": profile.get("path_id") or "(root)",
        "anchors": f"{len(anchors)}, {min(days)} days left" if days else "",
        "lint": len(profile.get("lint") or []),
    }
