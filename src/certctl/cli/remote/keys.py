"""``certctl-cli keys``: API keys. A new one is printed once, or goes into a private file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from certctl.cli.client_ending import ending
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing
from certctl.cli.remote.asking import Once, api, segment
from certctl.cli.remote.contexts import Where
from certctl.cli.remote.est_options import check_writable
from certctl.client.failures import BadInput, ClientFailure
from certctl.domain.api_keys import Role
from certctl.issuers.atomic_write import write_file

COLUMNS = {
    "id": "ID",
    "name": "NAME",
    "role": "ROLE",
    "status": "STATUS",
    "tenant": "TENANT",
    "profiles": "PROFILES",
    "expires_at": "EXPIRES",
}

keys = typer.Typer(
    name="keys", help="API keys.", epilog="Example: certctl-cli keys list", no_args_is_help=True
)


@keys.command("list")
@ending
@spread
def show_list(where: Where, printing: Printing) -> None:
    """List every key that ever was made, never the keys themselves.

    Example: certctl-cli keys list
    """
    with api(where) as server:
        page = server.get("/keys")
    printing.rows(page, page["data"], COLUMNS)


@keys.command()
@ending
@spread
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.", metavar="NAME")],
    where: Where,
    printing: Printing,
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    tenant: Annotated[str | None, typer.Option(help="Hold it to a tenant.")] = None,
    profile: Annotated[list[str] | None, typer.Option(help="Hold it to EST profiles.")] = None,
    days: Annotated[int | None, typer.Option(help="It expires after so many.", min=1)] = None,
    out: Annotated[Path | None, typer.Option(help="File for the key, 0600.")] = None,
    once: Once = None,
) -> None:
    """Make a key; it is shown this once and never again.

    Example: certctl-cli keys create dashboard --role viewer --days 90 --out dashboard.key
    """
    body: dict[str, Any] = {"name": name, "role": role.value, "profiles": profile or []}
    if tenant is not None:
        body["tenant"] = tenant
    if days is not None:
        body["expires_at"] = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).isoformat()
    if out is not None and out.exists():
        raise BadInput(f"{out} is there already and is not overwritten.")
    check_writable(out)
    with api(where) as server:
        made = server.write("POST", "/keys", body, once=once)
    if out is None:
        printing.fields(made)
        return
    if not made.get("key"):
        raise ClientFailure("This write was done before; its key is not told again.")
    write_file(out, f"{made['key']}\n".encode(), mode=0o600)
    printing.note(f"The key {made['id']} is in {out}.")


@keys.command()
@ending
@spread
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key.", metavar="ID")],
    where: Where,
    printing: Printing,
    *,
    once: Once = None,
) -> None:
    """Revoke a key for good; it opens nothing within a second.

    Example: certctl-cli keys revoke 0193…
    """
    with api(where) as server:
        path = f"/keys/{segment(key_id, 'id')}"
        printing.fields(server.write("DELETE", path, once=once))
