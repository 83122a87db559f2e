"""The authority's loop: frames in from all workers, one transaction a turn, frames out.

There is no waiting to fill a batch: while one transaction is written to disk the next
requests gather in the sockets, so load makes batches by itself and a quiet server
answers at once.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from certctl.authority.commands import CommandResult
from certctl.authority.intents import Started
from certctl.authority.lockout import Attempt
from certctl.authority.messages import (
    AttemptReply,
    AttemptRequest,
    CommandReply,
    CommandRequest,
    FrameError,
    FrameReader,
    IssueReply,
    IssueRequest,
    RefusalNote,
    Reply,
    StartedReply,
    StepsReply,
    Told,
    decode_requests,
    encode_frame,
    failure_reply,
)
from certctl.authority.service import AuthorityService, Refusal
from certctl.authority.turn import Outcome
from certctl.domain.audit import Outcome as AuditOutcome
from certctl.domain.errors import Failure
from certctl.domain.kept_answer import Origin
from certctl.domain.order import Issued
from certctl.obs.metrics.measured import AuthorityMetrics
from certctl.obs.tracing.steps import Step, TurnSteps

READ_SIZE = 256 * 1024
# One transaction stays short, so that an order never waits for more than these.
MAX_BATCH = 256
# What another node changes takes effect within a second (policy §1).
TICK_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class _Peer:
    """One connected worker, or a job or command of this host."""

    socket: socket.socket
    is_worker: bool
    reader: FrameReader = field(default_factory=FrameReader)
    pending: bytearray = field(default_factory=bytearray)


class AuthorityServer:
    """Serves one ``AuthorityService`` on two listening AF_UNIX sockets until stopped.

    What a peer may have done depends on which of them it came by, not on what it says:
    by ``workers`` commands need an API key that covers them.
    """

    def __init__(
        self,
        service: AuthorityService,
        *,
        host: socket.socket,
        workers: socket.socket,
        on_tick: Callable[[], None],
        on_fault: Callable[[BaseException], None],
        metrics: AuthorityMetrics | None = None,
        steps: TurnSteps | None = None,
    ) -> None:
        """``steps`` where requests are traced: what they name is then told what was done."""
        self._steps = steps
        self._service = service
        self._metrics = metrics or AuthorityMetrics.unshared()
        self._listeners = (host, workers)
        self._workers = workers
        self._on_tick = on_tick
        self._on_fault = on_fault
        self._selector = selectors.DefaultSelector()
        self._backlog: list[tuple[_Peer, IssueRequest]] = []
        self._refusals: list[Refusal] = []
        self._commands: list[tuple[_Peer, CommandRequest]] = []
        self._attempts: list[tuple[_Peer, AttemptRequest]] = []
        # Who waits for a CA outside, by intent.
        self._begun: dict[str, list[tuple[_Peer, int, str | None]]] = {}
        self._soon: list[Callable[[], None]] = []
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    @property
    def wake_fd(self) -> int:
        """For ``signal.set_wakeup_fd``: a signal ends the wait at once."""
        return self._wake_write.fileno()

    def stop(self) -> None:
        """Answer what has arrived, then return from ``serve``."""
        self._stopping = True

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run ``action`` between two turns; from a signal handler. Once, if it waits already."""
        if action not in self._soon:
            self._soon.append(action)

    def serve(self) -> None:
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        next_tick = time.monotonic() + TICK_SECONDS
        while True:
            waiting = self._backlog or self._commands or self._attempts or self._soon
            idle = not waiting and not self._stopping
            ready = self._selector.select(max(0.0, next_tick - time.monotonic()) if idle else 0)
            for key, events in ready:
                self._attend(key, events)
            if self._backlog or self._refusals or self._commands or self._attempts:
                self._turn()
            elif self._stopping:
                break
            self._finish()
            if self._soon:
                self._soon.pop(0)()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                self._service.flush()
                self._on_tick()
        self._close()

    def _attend(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj in self._listeners:
            self._accept(key.fileobj)
        elif key.fileobj is self._wake_read:
            self._wake_read.recv(4096)
        else:
            peer: _Peer = key.data
            if events & selectors.EVENT_WRITE:
                self._write(peer)
            if events & selectors.EVENT_READ:
                self._read(peer)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        if not _same_user(connection):
            connection.close()
            return
        connection.setblocking(False)
        peer = _Peer(connection, is_worker=listener is self._workers)
        self._selector.register(connection, selectors.EVENT_READ, peer)
        # A greeting: the listening socket outlives its authority, so that a connection by
        # itself proves nothing.
        peer.pending += encode_frame([])
        self._write(peer)

    def _read(self, peer: _Peer) -> None:
        try:
            data = peer.socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        try:
            for frame in peer.reader.feed(data):
                self._sort(peer, frame)
        except FrameError as err:
            self._on_fault(err)
            self._drop(peer)

    def _sort(self, peer: _Peer, frame: bytes) -> None:
        for message in decode_requests(frame):
            match message:
                case IssueRequest():
                    self._backlog.append((peer, message))
                case RefusalNote():
                    if message.event.outcome is not AuditOutcome.FAILURE:
                        raise FrameError("a note that is no refusal")
                    self._refusals.append((message.event, message.counter))
                case CommandRequest():
                    self._commands.append((peer, message))
                case AttemptRequest():
                    self._attempts.append((peer, message))

    def _turn(self) -> None:
        answers: dict[_Peer, list[Told]] = {}
        # Before the orders: a right password must not come before wrong ones sent with it.
        if self._attempts:
            self._judge(answers)
        batch, self._backlog = self._backlog[:MAX_BATCH], self._backlog[MAX_BATCH:]
        refusals, self._refusals = self._refusals, []
        if self._steps is not None:
            self._steps.begin()
        outcomes = self._service.run([request.order for _, request in batch], refusals)
        if batch:
            self._metrics.ran(len(batch))
            if self._steps is not None:
                for peer, request in batch:
                    if request.trace is not None:
                        done = self._steps.of_order(request.order.request_id, len(batch))
                        _hand_back(peer, request.trace, done, answers)
        for (peer, request), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Started):
                begun = self._begun.setdefault(outcome.intent_id, [])
                begun.append((peer, request.id, request.trace))
            answers.setdefault(peer, []).append(_reply(request.id, outcome))
        # One command a turn: orders never wait for a row of them.
        if self._commands:
            peer, asked = self._commands.pop(0)
            if self._steps is not None:
                self._steps.begin()
            result = self._carried_out(peer, asked)
            if self._steps is not None and asked.trace is not None:
                _hand_back(peer, asked.trace, self._steps.of_command(), answers)
            answers.setdefault(peer, []).append(
                failure_reply(asked.id, result)
                if isinstance(result, Failure)
                else CommandReply(asked.id, result)
            )
        self._answer(answers)

    def _finish(self) -> None:
        """Record what calls of CAs outside came back with, and answer who still waits."""
        answers: dict[_Peer, list[Told]] = {}
        for intent_id, outcome in self._service.finish():
            called = self._steps.of_call(intent_id) if self._steps is not None else ()
            for peer, request_id, trace in self._begun.pop(intent_id, ()):
                if trace is not None:
                    _hand_back(peer, trace, called, answers)
                answers.setdefault(peer, []).append(_reply(request_id, outcome))
        if self._steps is not None:
            self._steps.forget_calls()
        self._answer(answers)

    def _answer(self, answers: Mapping[_Peer, Sequence[Told]]) -> None:
        for peer, replies in answers.items():
            peer.pending += encode_frame(replies)
            self._write(peer)

    def _carried_out(self, peer: _Peer, asked: CommandRequest) -> CommandResult | Failure:
        if not peer.is_worker:
            return self._service.execute(asked.command)
        return self._service.execute_for(
            asked.bearer, asked.command, origin=asked.origin or Origin(), once=asked.once
        )

    def wake(self) -> None:
        """End the loop's wait; from any thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_write.send(b"x")

    def _judge(self, answers: dict[_Peer, list[Told]]) -> None:
        tried, self._attempts = self._attempts[:MAX_BATCH], self._attempts[MAX_BATCH:]
        outcomes = self._service.judge([Attempt(asked.address, asked.wrong) for _, asked in tried])
        for (peer, asked), refused in zip(tried, outcomes, strict=True):
            answers.setdefault(peer, []).append(
                AttemptReply(asked.id) if refused is None else failure_reply(asked.id, refused)
            )

    def _write(self, peer: _Peer) -> None:
        """Send what the peer takes; the rest waits for the socket to be writable."""
        if peer.socket.fileno() < 0:
            return
        try:
            while peer.pending:
                sent = peer.socket.send(peer.pending)
                del peer.pending[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.pending else 0)
        if self._selector.get_key(peer.socket).events != wanted:
            self._selector.modify(peer.socket, wanted, peer)

    def _drop(self, peer: _Peer) -> None:
        """Forget a peer; what it has ordered is still fulfilled and recorded."""
        if peer.socket.fileno() >= 0:
            self._selector.unregister(peer.socket)
            peer.socket.close()

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Peer):
                self._write(key.data)
                self._drop(key.data)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()


def _hand_back(
    peer: _Peer, trace: str, steps: Sequence[Step], answers: dict[_Peer, list[Told]]
) -> None:
    """Before the answer, so that it finds its request still open."""
    if steps:
        answers.setdefault(peer, []).append(StepsReply(trace, tuple(steps)))


def _reply(request_id: int, outcome: Outcome) -> Reply:
    match outcome:
        case Issued():
            return IssueReply(request_id, outcome)
        case Started():
            return StartedReply(request_id)
        case _:
            return failure_reply(request_id, outcome)


def _same_user(connection: socket.socket) -> bool:
    """The directory is 0700 already; this holds even if somebody loosens it."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", packed)
    return user in (0, os.geteuid())
