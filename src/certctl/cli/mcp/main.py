"""``certctl-mcp``: the program that an assistant's client starts."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from certctl import __version__
from certctl.cli.client_ending import ending
from certctl.cli.help_texts import run
from certctl.cli.option_groups import spread
from certctl.cli.remote.contexts import Where
from certctl.client.failures import BadInput

app = typer.Typer(name="certctl-mcp", add_completion=False, pretty_exceptions_enable=False)


@app.command()
@ending
@spread
def serve(
    where: Where,
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Serve the tools of certctl to an assistant over standard input and output (MCP).

    An assistant's client starts it; there is nothing to type.

    The server, its CA and the API key come from the environment, as for certctl-cli;
    CERTCTL_MCP_EST_USER and CERTCTL_MCP_EST_PASSWORD_FILE are name and password for
    est_enroll. CERTCTL_MCP_DOCTOR_SERVERS lists, as HOST:PORT and separated by commas, which
    servers est_doctor may connect to besides the configured one; * is any.

    Example: CERTCTL_SERVER_URL=https://est.example.com:8443 certctl-mcp
    """
    if version:
        print(f"certctl-mcp {__version__}")
        return
    target = where.target()
    if find_spec("mcp") is None:
        raise BadInput("MCP is not installed.", "Install it: pip install 'certctl[mcp]'")
    if sys.stdin.isatty():
        raise BadInput(
            "This program talks with an assistant's client, not with people.",
            "Name it in the client's configuration; see docs/how-to/mcp.md.",
        )
    from certctl.cli.mcp.remote import DOCTOR_SERVERS, Examinable  # noqa: PLC0415 - with the SDK
    from certctl.cli.mcp.stdio import run  # noqa: PLC0415 - loads the SDK

    run(target, Examinable.of(os.environ.get(DOCTOR_SERVERS, "")))


def main() -> None:
    """Entry point of the ``certctl-mcp`` program."""
    run(app)
