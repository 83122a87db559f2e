"""Data and a reset that a server finds together when it looks."""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.harness.resetting import reset_on_close
from tests.unit.tls.rig import Server


def last_words(server: Server, client: socket.socket, say: Callable[[], object]) -> None:
    """``say``, then reset the connection, while the server's loop stands still."""

    def both() -> None:
        say()
        reset_on_close(client)
        client.close()

    server.do(both)
