"""``certctl-server``: the commands that run on the server's own host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from certctl import __version__
from certctl.cli.audit import audit
from certctl.cli.backup import backup, restore
from certctl.cli.cert_check import cert_check
from certctl.cli.certificates import certificates
from certctl.cli.configuration import ConfigFile, settings_or_exit
from certctl.cli.events import events
from certctl.cli.explain import explain
from certctl.cli.help_texts import run
from certctl.cli.intents import intents
from certctl.cli.keys import keys
from certctl.cli.profiles import profiles
from certctl.cli.requests import requests
from certctl.cli.trust import trust
from certctl.domain.profiles import profile_name
from certctl.settings.render import render_findings

app = typer.Typer(
    name="certctl-server",
    help="An enrollment server for EST (RFC 7030).",
    epilog="Example: certctl-server quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(certificates)
app.add_typer(profiles)
app.add_typer(audit)
app.add_typer(requests)
app.add_typer(events)
app.add_typer(intents)
app.add_typer(trust)
app.command()(backup)
app.command()(restore)
app.command("cert-check")(cert_check)
app.command()(explain)
app.add_typer(keys)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f"certctl-server {__version__}")
        raise typer.Exit


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run the server in the foreground until SIGTERM.

    SIGHUP reads the server's certificate and key, all trust bundles and lists of
    registration authorities again; what is bad there is told in the log, and what was in
    force before stays.

    Example: CERTCTL_EST_ENABLED=true CERTCTL_EST_ISSUER_ID=iss-local certctl-server serve
    """
    settings = settings_or_exit(config)
    from certctl.wiring.serve import serve as run  # noqa: PLC0415 - loads the whole server

    raise typer.Exit(run(settings))


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check all settings and files, print every fault and warning, and start nothing.

    Example: certctl-server check --config /etc/certctl/certctl.env
    """
    settings = settings_or_exit(config)
    if settings.warnings:
        print(render_findings(settings.warnings))
    names = ", ".join(profile_name(each.profile.path_id) for each in settings.est.profiles)
    print(f"Settings are good. EST profiles: {names or 'none (CERTCTL_EST_ENABLED is off)'}")


@app.command()
def migrate(config: ConfigFile = None) -> None:
    """Bring a PostgreSQL database to this version's tables, as a role that owns them.

    Running servers go on meanwhile. The embedded database needs no such step.

    Example: CERTCTL_DATABASE_URL=postgresql://owner@db/certctl certctl-server migrate
    """
    settings = settings_or_exit(config)
    from certctl.cli.migrate import migrate as run  # noqa: PLC0415 - loads the database

    run(settings)


@app.command()
def quickstart(
    directory: Annotated[
        Path, typer.Option("--dir", help="Where everything is kept; made when missing.")
    ] = Path("certctl-demo"),
    port: Annotated[int, typer.Option(help="TCP port.", min=0, max=65535)] = 8443,
    host: Annotated[
        str, typer.Option(help="Address to listen on; loopback unless told otherwise.")
    ] = "127.0.0.1",
) -> None:
    """Start a secure server on an embedded database, with a first device enrolled.

    Prints the lines to enroll your own device. Stop it with Ctrl-C; start it again with
    the same --dir and it has the same CA and all records.

    Example: certctl-server quickstart --dir ./certctl-demo --port 8443
    """
    from certctl.cli.quickstart import quickstart as run  # noqa: PLC0415 - loads the whole server

    raise typer.Exit(run(directory, host=host, port=port, environ=dict(os.environ)))


def main() -> None:
    """Entry point of the ``certctl-server`` program."""
    run(app)
