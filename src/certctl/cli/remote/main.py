"""``certctl-cli``: the program."""

from __future__ import annotations

from typing import Annotated

import typer

import certctl.cli.remote.est_bulk_revoke
import certctl.cli.remote.est_explain
import certctl.cli.remote.est_operator  # noqa: F401 - adds its commands to est
from certctl import __version__
from certctl.cli.help_texts import run
from certctl.cli.remote.audit import audit
from certctl.cli.remote.certificates import certificates
from certctl.cli.remote.doctor import doctor
from certctl.cli.remote.est import est
from certctl.cli.remote.est_requests import requests
from certctl.cli.remote.issuers import issuers
from certctl.cli.remote.keys import keys
from certctl.cli.remote.profiles import profiles

app = typer.Typer(
    name="certctl-cli",
    help="Ask an EST server (RFC 7030) for certificates, and run a certctl server from afar.",
    epilog="Example: certctl-cli doctor https://est.example.com:8443 --profile corp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

est.add_typer(requests)
app.add_typer(est)
app.add_typer(certificates)
app.add_typer(audit)
app.add_typer(profiles)
app.add_typer(issuers)
app.add_typer(keys)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f"certctl-cli {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the ``certctl-cli`` program."""
    run(app)
