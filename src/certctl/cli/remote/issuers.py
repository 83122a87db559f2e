"""``certctl-cli issuers``: what signs, and how long it still may."""

from __future__ import annotations

from typing import Annotated

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import api, segment
from certctl.cli.remote.contexts import Where

COLUMNS = {
    "id": "ID",
    "type": "TYPE",
    "days_to_expiry": "DAYS LEFT",
    "profiles": "EST PROFILES",
}

issuers = typer.Typer(
    name="issuers",
    help="Issuers and their chains.",
    epilog="Example: certctl-cli issuers list",
    no_args_is_help=True,
)


@issuers.command("list")
@ending
@spread
def show_list(where: Where, printing: Printing) -> None:
    """List issuers.

    Example: certctl-cli issuers list
    """
    with api(where) as server:
        page = server.get("/issuers")
    printing.rows(page, page["data"], COLUMNS)


@issuers.command()
@ending
@spread
def show(
    issuer_id: Annotated[str, typer.Argument(help="Id of the issuer.", metavar="ID")],
    where: Where,
    printing: Printing,
) -> None:
    """Show one issuer with its chain.

    Example: certctl-cli issuers show iss-local --output yaml
    """
    with api(where) as server:
        printing.fields(server.get(f"/issuers/{segment(issuer_id, 'id')}"))
