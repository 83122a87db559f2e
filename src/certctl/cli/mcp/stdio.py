"""The tools over standard input and output: one client, which started us."""

from __future__ import annotations

import logging
import signal
import sys
import traceback

import anyio
from mcp.server.stdio import stdio_server

from certctl.cli.mcp.remote import Examinable, Remote
from certctl.cli.remote.contexts import Target
from certctl.mcp.server import mcp_server


def run(target: Target, examined: Examinable) -> None:
    """Serve until the client closes our standard input."""
    # A thread waits for our standard input, and Python would wait for it. There is nothing to
    # be put in order: at a Ctrl-C the system may end us at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Their INFO lines would fill the log that clients make of our standard error.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    anyio.run(_serve, Remote(target, examined))


async def _serve(backend: Remote) -> None:
    server = mcp_server(lambda _: backend, _failed)
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


def _failed(tool: str, fault: Exception) -> None:
    print(f"certctl-mcp: {tool} failed", file=sys.stderr)
    traceback.print_exception(fault, file=sys.stderr)
