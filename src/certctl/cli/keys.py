"""``certctl-server keys``: who may use the management API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certctl.authority.commands import ApiKeyDone, RevokeApiKey
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.ending import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
    command_done,
    complain,
    from_records,
    stop,
)
from certctl.cli.new_key import NewApiKey
from certctl.cli.option_groups import spread
from certctl.cli.output import Printing, print_table
from certctl.cli.text import Quiet, utc, utc_z
from certctl.domain.api_keys import NAME, Role
from certctl.domain.clock import DAY_US
from certctl.domain.errors import NotFound
from certctl.domain.failure_words import words_of

if TYPE_CHECKING:
    from certctl.domain.api_keys import ApiKey
    from certctl.settings.schema import Settings

COLUMNS = ("ID", "NAME", "ROLE", "TENANT", "PROFILES", "EXPIRES", "STATE")

keys = typer.Typer(
    name="keys",
    help="Keys of the management API.",
    epilog="Example: certctl-server keys create alice --role admin --days 90",
    no_args_is_help=True,
)


@keys.callback()
def _group() -> None:
    """Keys of the management API."""


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it.", metavar="NAME")],
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    tenant: Annotated[str | None, typer.Option(help="The only tenant it sees.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="The only EST profiles it sees; repeatable.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires.", min=1)] = None,
    quiet: Quiet = False,
    config: ConfigFile = None,
) -> None:
    """Make a key and print it, this once; only a digest of it is kept.

    The key alone goes to standard output. Works beside a running server and without one,
    and is how the first key of a server is made.

    Example: certctl-server keys create alice --role admin --days 90
    """
    settings = settings_or_exit(config, check_files=False)
    if NAME.fullmatch(name) is None:
        stop("a name is letters, digits, dot, dash and underscore, 63 at most.", EXIT_USAGE)
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - loads the server

    now_us = system_clock()
    expires_us = now_us + days * DAY_US if days else None
    made = NewApiKey.at(now_us, _pepper(settings))
    done = command_done(
        settings,
        lambda actor: made.command(
            actor,
            name=name,
            role=role,
            tenant=tenant,
            profiles=tuple(profile or ()),
            expires_us=expires_us,
        ),
        ApiKeyDone,
    )
    until = f", until {utc(expires_us)}Z" if expires_us else ""
    if not quiet:
        complain(f"{done.key_id}  {done.name}, {role}{until}. The key is shown only now:")
    print(made.text)


@keys.command("list")
@spread
def show_list(printing: Printing, *, config: ConfigFile = None) -> None:
    """List all keys that ever were; never the keys themselves.

    Example: certctl-server keys list
    """
    settings = settings_or_exit(config, check_files=False)
    from certctl.wiring.clock import system_clock  # noqa: PLC0415 - loads the server

    now_us = system_clock()
    rows = from_records(settings, lambda records: records.api_keys())

    def people() -> None:
        if rows:
            print_table(COLUMNS, [_cells(row, now_us) for row in rows])
        else:
            print("There are no keys. Make one: certctl-server keys create NAME --role admin")

    def data() -> object:
        from certctl.web.api.keys import key_out  # noqa: PLC0415 - loads the API

        return {"data": [key_out(row, now_us).model_dump(mode="json") for row in rows]}

    printing.show(data, people)


@keys.command()
@spread
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, from list.", metavar="ID")],
    printing: Printing,
    *,
    config: ConfigFile = None,
) -> None:
    """Revoke a key for good. It opens nothing within a second.

    Example: certctl-server keys revoke 0199ab3c5f7e00112233445566778899
    """
    settings = settings_or_exit(config, check_files=False)
    try:
        done = command_done(
            settings, lambda actor: RevokeApiKey(key_id=key_id, actor=actor), ApiKeyDone
        )
    except NotFound as failure:
        stop(f"there is no {failure}.", EXIT_NOT_FOUND)
    printing.show(
        {"id": done.key_id, "name": done.name, "revoked_at": utc_z(done.changed_us)},
        lambda: print(f"{done.key_id}  {done.name}  revoked {utc(done.changed_us)}Z"),
    )


def _cells(key: ApiKey, now_us: int) -> tuple[str, ...]:
    state = "revoked" if key.revoked_us else "usable" if key.usable(now_us) else "expired"
    return (
        key.id,
        key.name,
        key.role.value,
        key.tenant or "all",
        ",".join(key.profiles) or "all",
        f"{utc(key.expires_us)}Z" if key.expires_us else "never",
        state,
    )


def _pepper(settings: Settings) -> bytes:
    from certctl.domain.errors import Failure  # noqa: PLC0415 - loads the database, as below
    from certctl.store import StoreError  # noqa: PLC0415
    from certctl.wiring import host  # noqa: PLC0415
    from certctl.wiring.pepper import PepperRefused  # noqa: PLC0415

    try:
        return host.pepper(settings)
    except (PepperRefused, StoreError, Failure, OSError) as refused:
        stop(str(words_of(refused)), EXIT_FAILED)
