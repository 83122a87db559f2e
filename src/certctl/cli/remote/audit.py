"""``certctl-cli audit``: the audit trail, once or as it grows (records §5)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, cell
from certctl.cli.remote.asking import DEFAULT_LIMIT, Limit, api, segment
from certctl.cli.remote.contexts import Where
from certctl.cli.text import OutputForm, print_data
from certctl.client.failures import Unreachable
from certctl.domain.audit import Outcome

COLUMNS = {
    "time": "TIME",
    "action": "ACTION",
    "outcome": "OUTCOME",
    "profile": "PROFILE",
    "actor": "ACTOR",
    "source_address": "SOURCE",
    "request_id": "REQUEST",
}
RECONNECT_SECONDS = 2.0

audit = typer.Typer(
    name="audit",
    help="The audit trail.",
    epilog="Example: certctl-cli audit list --action est_auth_failed",
    no_args_is_help=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events; all that are given hold together."""

    action: Annotated[str | None, typer.Option(help="Beginning of the action's name.")] = None
    profile: Annotated[str | None, typer.Option(help="EST profile.")] = None
    actor: Annotated[str | None, typer.Option(help="Who did it.")] = None
    outcome: Annotated[Outcome | None, typer.Option(help="How it ended.")] = None
    source: Annotated[str | None, typer.Option(help="Source address.")] = None
    since: Annotated[str | None, typer.Option("--from", help="RFC 3339, included.")] = None
    until: Annotated[str | None, typer.Option("--to", help="RFC 3339, not included.")] = None
    text: Annotated[str | None, typer.Option(help="Contained in details or names.")] = None

    def within(self, prefix: str) -> Filters:
        """The same, held to actions that begin so."""
        return replace(self, action=prefix + (self.action or "").removeprefix(prefix))

    def query(self) -> dict[str, Any]:
        """As the API takes it."""
        return {
            "action": self.action,
            "profile": self.profile,
            "actor": self.actor,
            "outcome": self.outcome.value if self.outcome else None,
            "source": self.source,
            "from": self.since,
            "to": self.until,
            "text": self.text,
        }


@audit.command("list")
@ending
@spread
def show_list(
    where: Where, filters: Filters, printing: Printing, *, limit: Limit = DEFAULT_LIMIT
) -> None:
    """List events, the newest first.

    Example: certctl-cli audit list --action est_auth_failed --from 2026-01-01T00:00:00Z
    """
    events(where, filters, printing, limit=limit)


@audit.command()
@ending
@spread
def show(
    event_id: Annotated[str, typer.Argument(help="Id of the event.", metavar="ID")],
    where: Where,
    printing: Printing,
) -> None:
    """Show one event with everything it holds.

    Example: certctl-cli audit show 0193…
    """
    with api(where) as server:
        printing.fields(server.get(f"/audit/{segment(event_id, 'id')}"))


@audit.command("follow")
@ending
@spread
def follow_events(where: Where, filters: Filters, printing: Printing) -> None:
    """Show events as they are recorded, until Ctrl-C.

    Example: certctl-cli audit follow --action est_ --output json
    """
    follow(where, filters, printing)


@audit.command()
@ending
@spread
def checkpoints(where: Where, printing: Printing, *, limit: Limit = DEFAULT_LIMIT) -> None:
    """List the signed checkpoints over the trail.

    Example: certctl-cli audit checkpoints --output json
    """
    with api(where) as server:
        page = server.get("/audit/checkpoints", per_page=min(limit, 500))
    columns = {"number": "NUMBER", "made_at": "MADE AT", "key_id": "KEY", "heads": "HEADS"}
    printing.rows(page, page["data"], columns)


def events(where: Where, filters: Filters, printing: Printing, *, limit: int) -> None:
    """One look at the trail."""
    with api(where) as server:
        page = server.listing("/audit", limit, **filters.query())
    printing.rows(page, page["data"], COLUMNS)


def follow(where: Where, filters: Filters, printing: Printing) -> None:
    """Print events as they come; a broken stream is taken up where it was left.

    Raises:
        ClientFailure: the server cannot be reached, or refuses.
    """
    last_id = ""
    begun = False
    while True:
        try:
            with api(where) as server:
                for event in server.stream("/audit/stream", last_id=last_id, **filters.query()):
                    begun = True
                    last_id = event.id or last_id
                    if event.data is not None:
                        _print_event(event.data, printing.form)
        except Unreachable:
            if not begun:
                raise
        printing.note("The stream ended; it is taken up again.")
        time.sleep(RECONNECT_SECONDS)


def _print_event(event: Mapping[str, Any], form: OutputForm) -> None:
    match form:
        case OutputForm.JSON:
            print(json.dumps(event), flush=True)
        case OutputForm.YAML:
            print("---")
            print_data(event, form)
        case OutputForm.TABLE:
            shown = [cell(event.get(name)) for name in COLUMNS]
            reason = event.get("details", {}).get("reason")
            print("  ".join([*shown, *([cell(reason)] if reason else [])]), flush=True)
