"""A worker that runs somebody else's code: it says to the authority what it likes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from certctl.authority.commands import Command, CommandResult
from certctl.authority.messages import (
    CommandReply,
    CommandRequest,
    FailureReply,
    FrameReader,
    RefusalNote,
    Request,
    decode_replies,
    encode_frame,
    failure_of,
)
from certctl.domain.audit import AuditEvent
from certctl.domain.errors import Failure
from certctl.domain.kept_answer import Once, Origin
from certctl.wiring import sockets
from tests.harness.server import RunningServer

SECONDS = 20.0
READ_SIZE = 65_536


class Impostor:
    """One connection to a running server's authority, by the socket of its workers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._last = 0

    def command(
        self,
        command: Command,
        bearer: str = "",
        *,
        origin: Origin | None = None,
        once: Once | None = None,
    ) -> CommandResult | Failure:
        self._last += 1
        self._send(CommandRequest(self._last, command, origin, once, bearer))
        while True:
            data = self._connection.recv(READ_SIZE)
            assert data, "the authority hung up"
            for frame in self._reader.feed(data):
                for reply in decode_replies(frame):
                    if isinstance(reply, CommandReply):
                        return reply.result
                    if isinstance(reply, FailureReply):
                        return failure_of(reply)

    def note(self, event: AuditEvent) -> None:
        self._send(RefusalNote(event, None))

    def is_hung_up_on(self) -> bool:
        """The authority ends the connection."""
        while data := self._connection.recv(READ_SIZE):
            self._reader.feed(data)
        return True

    def _send(self, message: Request) -> None:
        self._connection.sendall(encode_frame([message]))


@contextmanager
def impostor(server: RunningServer) -> Iterator[Impostor]:
    with sockets.connect_worker(server.database.parent / sockets.RUN_DIRECTORY) as connection:
        connection.settimeout(SECONDS)
        yield Impostor(connection)
