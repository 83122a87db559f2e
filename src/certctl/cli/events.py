"""``certctl-server events``: what is on its way to other systems, and what is stuck."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from certctl.authority.commands import Requeued, RequeueDeliveries
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
    command_done,
    from_records,
    stop,
)
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, print_table
from certctl.cli.text import utc
from certctl.domain.events import Delivery, DeliveryStatus
from certctl.domain.plain_text import escaped

if TYPE_CHECKING:
    from certctl.domain.ports import Records
    from certctl.settings.schema import Settings

PAGE = 500
COLUMNS = ("EVENT", "CHANNEL", "TYPE", "STATUS", "AT (UTC)", "ATTEMPTS", "LAST ERROR")
EventId = Annotated[str, typer.Argument(help="Id of the event, as listed.", metavar="ID")]
Limit = Annotated[int, typer.Option(help="Most rows that are shown.", min=1)]

events = typer.Typer(
    name="events",
    help="Events on their way to other systems.",
    epilog="Example: certctl-server events dead",
    no_args_is_help=True,
)


@events.callback()
def _group() -> None:
    """Events on their way to other systems."""


@events.command("list")
@spread
def show_list(
    printing: Printing,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also what was delivered, while it is kept.")
    ] = False,
    limit: Limit = 1_000,
    config: ConfigFile = None,
) -> None:
    """List what waits or is dead; AT is when it is due, or since when it is so.

    Example: certctl-server events list
    """
    settings = settings_or_exit(config, check_files=False)
    statuses = (None,) if every else (DeliveryStatus.WAITING, DeliveryStatus.DEAD)
    found = from_records(
        settings, lambda records: [row for s in statuses for row in _read(records, s, limit)]
    )
    _print(found, limit, printing, nothing="Nothing waits and nothing is dead.")


@events.command()
@spread
def dead(printing: Printing, *, limit: Limit = 1_000, config: ConfigFile = None) -> None:
    """List what was given up after all attempts; it stays until it is sent again.

    Example: certctl-server events dead
    """
    settings = settings_or_exit(config, check_files=False)
    found = from_records(settings, lambda records: _read(records, DeliveryStatus.DEAD, limit))
    _print(found, limit, printing, nothing="Nothing is dead.")


@events.command()
@spread
def show(event_id: EventId, printing: Printing, *, config: ConfigFile = None) -> None:
    """Show one event as it is sent, and how far it has come on each channel.

    Example: certctl-server events show 01a2…
    """
    settings = settings_or_exit(config, check_files=False)
    found = from_records(settings, lambda records: records.deliveries_of(event_id))
    if not found:
        stop(f"no event {event_id} is in the outbox.", EXIT_NOT_FOUND)
    event = json.loads(found[0].body)

    def people() -> None:
        print_table(COLUMNS, [_row(each) for each in found])
        print(json.dumps(event, indent=2))

    printing.show(lambda: {"id": event_id, "event": event, "deliveries": _data(found)}, people)


@events.command()
@spread
def requeue(
    printing: Printing,
    event_id: Annotated[
        str | None, typer.Argument(help="Id of the event, as listed.", metavar="ID")
    ] = None,
    *,
    channel: Annotated[str | None, typer.Option(help="Only to this channel.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
    config: ConfigFile = None,
) -> None:
    """Send dead events again: one, those of a channel, or all.

    Example: certctl-server events requeue --channel ops
    """
    if event_id is None and channel is None and not every:
        stop("name an event, a --channel, or --all.", EXIT_USAGE)
    settings = settings_or_exit(config, check_files=False)
    if channel is not None:
        _require_channel(settings, channel)
    rows = 0
    while True:
        done = command_done(
            settings,
            lambda actor: RequeueDeliveries(event_id=event_id, channel=channel, actor=actor),
            Requeued,
        )
        rows += done.rows
        if not done.more:
            break
    if not rows and event_id is not None:
        stop(f"no dead event {event_id} is in the outbox.", EXIT_NOT_FOUND)
    printing.show({"requeued": rows}, lambda: print(f"{rows} to be sent again."))


@events.command("test")
@spread
def try_out(
    channel: Annotated[str, typer.Argument(help="Name of the channel.", metavar="CHANNEL")],
    printing: Printing,
    *,
    config: ConfigFile = None,
) -> None:
    """Send a test event (certctl.test) to one channel now, past the outbox.

    Needs to read the channel's secret, so run it as the user of the server.

    Example: certctl-server events test ops
    """
    settings = settings_or_exit(config, check_files=False)
    _require_channel(settings, channel)
    from certctl.wiring.channels import try_channel  # noqa: PLC0415 - loads the HTTP client

    problem = try_channel(settings.events, channel)
    if problem is not None:
        stop(f"{channel}: not delivered: {problem}.", EXIT_FAILED)
    printing.show({"channel": channel, "delivered": True}, lambda: print(f"{channel}: delivered."))


def _require_channel(settings: Settings, channel: str) -> None:
    known = settings.events.channel_names()
    if channel not in known:
        there = ", ".join(known) or "none"
        stop(f"no channel {channel!r} is set up; there are: {there}.", EXIT_NOT_FOUND)


def _read(records: Records, status: DeliveryStatus | None, limit: int) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < limit and (
        page := records.deliveries(
            status=status,
            after=(found[-1].event_id, found[-1].channel) if found else None,
            limit=min(PAGE, limit - len(found)),
        )
    ):
        found += page
    return found


def _print(found: list[Delivery], limit: int, printing: Printing, *, nothing: str) -> None:
    def people() -> None:
        if found:
            print_table(COLUMNS, [_row(each) for each in found[:limit]])
        else:
            print(nothing)

    printing.show(lambda: {"data": _data(found[:limit])}, people)
    if len(found) >= limit:
        printing.note(f"There may be more; see --limit (now {limit}).")


def _data(found: Sequence[Delivery]) -> list[dict[str, Any]]:
    from certctl.web.api.events import delivery_out  # noqa: PLC0415 - loads the API

    return [delivery_out(each).model_dump(mode="json") for each in found]


def _row(delivery: Delivery) -> tuple[str, ...]:
    return (
        delivery.event_id,
        delivery.channel,
        delivery.type.value,
        delivery.status.value,
        utc(delivery.at_us),
        str(delivery.attempts),
        escaped(delivery.error),
    )
