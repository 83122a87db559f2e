"""``certctl-cli profiles``: certificate profiles, the rules by which is issued (policy §1)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import Once, api, segment
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import read_input
from certctl.client.failures import BadInput

COLUMNS = {"id": "ID", "origin": "ORIGIN", "enabled": "ENABLED", "version": "VERSION"}
ProfileId = Annotated[str, typer.Argument(help="Id of the certificate profile.", metavar="ID")]

profiles = typer.Typer(
    name="profiles",
    help="Certificate profiles.",
    epilog="Example: certctl-cli profiles list",
    no_args_is_help=True,
)


@profiles.command("list")
@ending
@spread
def show_list(where: Where, printing: Printing) -> None:
    """List certificate profiles.

    Example: certctl-cli profiles list
    """
    with api(where) as server:
        page = server.get("/profiles")
    printing.rows(page, page["data"], COLUMNS)


@profiles.command()
@ending
@spread
def show(profile_id: ProfileId, where: Where, printing: Printing) -> None:
    """Show one certificate profile with every rule in force.

    Example: certctl-cli profiles show cp-iot --output yaml
    """
    with api(where) as server:
        printing.fields(server.get(f"/profiles/{segment(profile_id, 'id')}"))


@profiles.command()
@ending
@spread
def put(
    profile_id: ProfileId,
    where: Where,
    printing: Printing,
    *,
    file: Annotated[Path, typer.Option(help="TOML or JSON; - for standard input.")],
    expected_version: Annotated[
        int | None, typer.Option(help="Only over this version; 0: only a new one.", min=0)
    ] = None,
    once: Once = None,
) -> None:
    """Keep a certificate profile in the server's store, or replace it.

    Example: certctl-cli profiles put cp-iot --file cp-iot.toml --expected-version 3
    """
    body: dict[str, Any] = {"document": _document(file)}
    if expected_version is not None:
        body["expected_version"] = expected_version
    with api(where) as server:
        path = f"/profiles/{segment(profile_id, 'id')}"
        printing.fields(server.write("PUT", path, body, once=once))


@profiles.command()
@ending
@spread
def delete(profile_id: ProfileId, where: Where, printing: Printing, *, once: Once = None) -> None:
    """Remove a certificate profile of the store that no EST profile names.

    Example: certctl-cli profiles delete cp-old
    """
    with api(where) as server:
        path = f"/profiles/{segment(profile_id, 'id')}"
        printing.fields(server.write("DELETE", path, once=once))


def _document(path: Path) -> dict[str, Any]:
    try:
        text = read_input(path).decode()
        document = json.loads(text) if text.lstrip()[:1] == "{" else tomllib.loads(text)
    except ValueError as err:
        raise BadInput(f"{path} is neither TOML nor JSON: {err}.") from err
    return dict(document)
