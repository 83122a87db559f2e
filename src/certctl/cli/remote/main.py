"""``certctl-cli``: the program."""

from __future__ import annotations

from typing import Annotated

import typer

from certctl import __version__
from certctl.cli.remote.est import est

app = typer.Typer(
    name="certctl-cli",
    help="Ask an EST server (RFC 7030) for certificates, and run a certctl server from afar.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(est)


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
    app()
