"""A blocking caller's side of the authority's socket: for jobs and host commands.

One command at a time; a worker's event loop uses ``authority.client`` instead. A lost
connection fails the command that was under way, and the next one connects anew.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import TypeVar

from certctl.authority.commands import Command, CommandResult
from certctl.authority.messages import (
    CommandReply,
    CommandRequest,
    FailureReply,
    FrameError,
    FrameReader,
    Reply,
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
        self._replies: dict[int, Reply] = {}
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
        try:
            return self._answer(self._send(command))
        except (OSError, FrameError) as err:
            self.close()
            raise StoreUnavailable("authority") from err

    def execute_each(self, commands: Iterable[Command], answer: type[Answer]) -> int:
        """Have commands carried out in their order; all effects are durable on return.

        While the authority is at work on one, the next is made. Gives how many there were.

        Raises:
            Failure: one was refused, or the authority did not answer in time. One after
                it may have been carried out all the same.
        """
        count = 0
        waiting: int | None = None
        try:
            for command in commands:
                sent = self._send(command)
                if waiting is not None:
                    expect(self._answer(waiting), answer)
                waiting = sent
                count += 1
            if waiting is not None:
                expect(self._answer(waiting), answer)
        except (OSError, FrameError) as err:
            self.close()
            raise StoreUnavailable("authority") from err
        except BaseException:
            # An answer may still be on its way.
            self.close()
            raise
        return count

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _open(self) -> None:
        self._socket = self._connect()
        self._socket.settimeout(ANSWER_SECONDS)
        self._reader = FrameReader()
        self._replies.clear()

    def _send(self, command: Command) -> int:
        """Gives the id by which it will be answered."""
        self._last_id += 1
        if self._socket is None:
            self._open()
        connection = self._connected()
        connection.sendall(encode_frame([CommandRequest(self._last_id, command)]))
        return self._last_id

    def _answer(self, request_id: int) -> CommandResult:
        connection = self._connected()
        while request_id not in self._replies:
            data = connection.recv(READ_SIZE)
            if not data:
                raise ConnectionError("the authority closed the connection")
            for frame in self._reader.feed(data):
                self._replies |= {reply.id: reply for reply in decode_replies(frame)}
        reply = self._replies.pop(request_id)
        if isinstance(reply, CommandReply):
            return reply.result
        if isinstance(reply, FailureReply):
            raise failure_of(reply)
        raise FrameError("not the answer to a command")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket


def expect(result: object, answer: type[Answer]) -> Answer:
    """The result as what its command answers with; anything else is a fault of ours."""
    if not isinstance(result, answer):
        raise InternalError
    return result
