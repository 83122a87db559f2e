"""Host commands: through the running server's authority, or in its place when none runs.

A command of ``certctl-server`` never writes beside a running authority: it sends over
its socket. Only when nobody answers there does it open the store itself, under the lock
that a server would hold.
"""

from __future__ import annotations

import getpass
import secrets
import socket
import sys
from functools import partial
from typing import TypeVar

from certctl.authority.commands import Command, CommandResult
from certctl.authority.issue import IssuingRules
from certctl.authority.messages import (
    CommandReply,
    CommandRequest,
    FailureReply,
    FrameReader,
    decode_replies,
    encode_frame,
    failure_of,
)
from certctl.authority.service import AuthorityService
from certctl.domain.clock import Clock
from certctl.domain.errors import Failure, StoreUnavailable
from certctl.domain.ids import sortable_id
from certctl.settings.schema import Settings
from certctl.store import SqlRecords, open_records, open_writable
from certctl.wiring import sockets
from certctl.wiring.clock import system_clock

# A command may wait for a batch, a checkpoint or a restart of the authority, not for ever.
ANSWER_SECONDS = 30.0
READ_SIZE = 256 * 1024

Answer = TypeVar("Answer", bound=CommandResult)


def operator() -> str:
    """Who gives a host command, as audit events name it."""
    try:
        return f"host:{getpass.getuser()}"
    except (KeyError, OSError):
        return "host:unknown"


def records(settings: Settings) -> SqlRecords:
    """The records, read-only, beside a running server or alone.

    Raises:
        StoreError: there is no store, or not one of this version.
    """
    return open_records(settings.server.database_url)


def run_command(
    settings: Settings, command: Command, *, answer: type[Answer], clock: Clock = system_clock
) -> Answer:
    """Run one command; its effects are durable on return.

    ``answer`` is the kind of result that this command has.

    Raises:
        Failure: the command was refused, or the authority did not answer in time.
        StoreError: no server runs and the store cannot be opened.
    """
    result = _run(settings, command, clock)
    if not isinstance(result, answer):
        raise TypeError(f"{type(command).__name__} gave {type(result).__name__}")
    return result


def is_running(settings: Settings) -> bool:
    """Somebody listens on the authority's socket of this data directory."""
    try:
        sockets.connect(settings.server.data_dir / sockets.RUN_DIRECTORY).close()
    except OSError:
        return False
    return True


def _run(settings: Settings, command: Command, clock: Clock) -> CommandResult:
    try:
        connection = sockets.connect(settings.server.data_dir / sockets.RUN_DIRECTORY)
    except OSError:
        return _in_process(settings, command, clock)
    with connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            return _over(connection, command)
        except (TimeoutError, OSError) as err:
            raise StoreUnavailable("authority") from err


def _over(connection: socket.socket, command: Command) -> CommandResult:
    connection.sendall(encode_frame([CommandRequest(1, command)]))
    reader = FrameReader()
    while data := connection.recv(READ_SIZE):
        for frame in reader.feed(data):
            for reply in decode_replies(frame):
                if isinstance(reply, CommandReply):
                    return reply.result
                if isinstance(reply, FailureReply):
                    raise failure_of(reply)
    raise StoreUnavailable("authority")


def _in_process(settings: Settings, command: Command, clock: Clock) -> CommandResult:
    store = open_writable(settings.server.database_url, node=f"node-{secrets.token_hex(4)}")
    try:
        service = AuthorityService(
            store,
            IssuingRules({}, {}),
            node=store.node,
            clock=clock,
            new_id=partial(_new_id, clock),
            on_fault=_tell,
        )
        outcome = service.execute(command)
    finally:
        store.close()
    if isinstance(outcome, Failure):
        raise outcome
    return outcome


def _new_id(clock: Clock) -> str:
    return sortable_id(clock(), secrets.token_bytes)


def _tell(fault: BaseException) -> None:
    sys.stderr.write(f"certctl-server: {type(fault).__name__}: {fault}\n")
