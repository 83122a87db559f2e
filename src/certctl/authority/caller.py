"""A blocking caller's side of the authority's socket: for jobs and host commands.

One command at a time; a worker's event loop uses ``authority.client`` instead. A lost
connection fails the command that was under way, and the next one connects anew.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

from certctl.authority.commands import Command, CommandResult
from certctl.authority.messages import (
    CommandReply,
    CommandRequest,
    FailureReply,
    FrameError,
    FrameReader,
    decode_replies,
    encode_frame,
    failure_of,
)
from certctl.domain.errors import InternalError, StoreUnavailable

# A command may wait for a batch, a checkpoint or a restart of the authority, not for ever.
ANSWER_SECONDS = 30.0
READ_SIZE = 256 * 1024

Answer = TypeVar("Answer")


class AuthorityCaller:
    """Use from one thread."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._last_id = 0

    def execute(self, command: Command, answer: type[Answer]) -> Answer:
        """Have the authority carry out a command; its effects are durable on return.

        Raises:
            Failure: it was refused, or the authority did not answer in time.
        """
        return expect(self.run(command), answer)

    def run(self, command: Command) -> CommandResult:
        """The same for whoever takes any result.

        Raises:
            Failure: it was refused, or the authority did not answer in time.
        """
        self._last_id += 1
        try:
            if self._socket is None:
                self._open()
            return self._ask(CommandRequest(self._last_id, command))
        except (OSError, FrameError) as err:
            self.close()
            raise StoreUnavailable("authority") from err

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _open(self) -> None:
        self._socket = self._connect()
        self._socket.settimeout(ANSWER_SECONDS)
        self._reader = FrameReader()

    def _ask(self, request: CommandRequest) -> CommandResult:
        connection = self._socket
        if connection is None:
            raise ConnectionError("not connected")
        connection.sendall(encode_frame([request]))
        while data := connection.recv(READ_SIZE):
            for frame in self._reader.feed(data):
                for reply in decode_replies(frame):
                    if reply.id != request.id:
                        continue
                    if isinstance(reply, CommandReply):
                        return reply.result
                    if isinstance(reply, FailureReply):
                        raise failure_of(reply)
        raise ConnectionError("the authority closed the connection")


def expect(result: object, answer: type[Answer]) -> Answer:
    """The result as what its command answers with; anything else is a fault of ours."""
    if not isinstance(result, answer):
        raise InternalError
    return result
