"""``certctl-cli est requests``: what waits for an operator, and the decision on it."""

from __future__ import annotations

from typing import Annotated

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import DEFAULT_LIMIT, Limit, Once, api, segment
from certctl.cli.remote.contexts import Where
from certctl.client.failures import BadInput

COLUMNS = {
    "id": "ID",
    "status": "STATUS",
    "created_at": "SINCE",
    "profile": "PROFILE",
    "operation": "OPERATION",
    "subject": "SUBJECT",
    "source_address": "SOURCE",
}
RequestId = Annotated[str, typer.Argument(help="Id of the request, as listed.", metavar="ID")]

requests = typer.Typer(
    name="requests",
    help="Requests that wait for approval.",
    epilog="Example: certctl-cli est requests list",
    no_args_is_help=True,
)


@requests.command("list")
@ending
@spread
def show_list(
    where: Where,
    printing: Printing,
    *,
    every: Annotated[bool, typer.Option("--all", help="Also what is decided or expired.")] = False,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """List what waits, oldest first.

    Example: certctl-cli est requests list
    """
    with api(where) as server:
        page = server.listing("/est/requests", limit, status=None if every else "waiting")
    printing.rows(page, page["data"], COLUMNS)


@requests.command()
@ending
@spread
def show(request_id: RequestId, where: Where, printing: Printing) -> None:
    """Show one request with what was said about it.

    Example: certctl-cli est requests show 0193…
    """
    with api(where) as server:
        printing.fields(server.get(f"/est/requests/{segment(request_id, 'id')}"))


@requests.command()
@ending
@spread
def approve(
    request_id: RequestId,
    where: Where,
    printing: Printing,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    once: Once = None,
) -> None:
    """Approve a request; where two approvals are needed, they take keys of two names.

    Example: certctl-cli est requests approve 0193… --reason "ticket 4711"
    """
    _decide("approve", request_id, where, printing, reason=reason, once=once)


@requests.command()
@ending
@spread
def deny(
    request_id: RequestId,
    where: Where,
    printing: Printing,
    *,
    reason: Annotated[str, typer.Option(help="Why; the device is told.")],
    once: Once = None,
) -> None:
    """Deny a request for as long as it is kept.

    Example: certctl-cli est requests deny 0193… --reason "not our device"
    """
    if not reason.strip():
        raise BadInput("A denial needs a reason.")
    _decide("deny", request_id, where, printing, reason=reason, once=once)


def _decide(
    verdict: str,
    request_id: str,
    where: Where,
    printing: Printing,
    *,
    reason: str,
    once: str | None,
) -> None:
    with api(where) as server:
        path = f"/est/requests/{segment(request_id, 'id')}/{verdict}"
        printing.fields(server.write("POST", path, {"reason": reason.strip()}, once=once))
