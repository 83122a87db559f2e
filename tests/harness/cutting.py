"""A TCP relay to PostgreSQL that cuts a connection at its next COMMIT, before or after it."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

SECONDS = 30.0
COMMIT = b"COMMIT"


class CuttingRelay:
    """Passes everything on until told otherwise; use as a context manager.

    ``cut``: "" for never, "before": the database never learns of the commit, "after": it
    commits, and its answer is lost.
    """

    def __init__(self, port: int) -> None:
        self.cut = ""
        self.cuts = 0
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._listener, *self._sockets):
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                database = socket.create_connection(("127.0.0.1", self._target), SECONDS)
                database.settimeout(None)
                self._sockets += [client, database]
                threading.Thread(target=self._up, args=(client, database), daemon=True).start()
                threading.Thread(target=self._down, args=(client, database), daemon=True).start()

    def _up(self, client: socket.socket, database: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if self.cut and COMMIT in data:
                    cut, self.cut = self.cut, ""
                    self.cuts += 1
                    if cut == "after":
                        # Nobody passes the answer on; the session ends when it is done.
                        client.shutdown(socket.SHUT_RDWR)
                        database.sendall(data)
                        database.shutdown(socket.SHUT_WR)
                        return
                    break
                database.sendall(data)
        _end(client)
        _end(database)

    def _down(self, client: socket.socket, database: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := database.recv(1 << 16):
                client.sendall(data)
        _end(client)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
