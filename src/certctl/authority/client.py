"""A worker's side of the authority's socket (implements ``ports.Authority``).

Many orders are in flight on one connection, answered by id; what one turn of the event
loop produced travels as one frame. When the authority is gone every waiting order fails
with StoreUnavailable (503 with Retry-After at the edge) — nothing was answered before
its commit, so the device's repeat finds the same certificate or gets a new one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from certctl.authority.commands import Command, CommandResult
from certctl.authority.messages import (
    AttemptReply,
    AttemptRequest,
    CommandReply,
    CommandRequest,
    FailureReply,
    FrameError,
    FrameReader,
    IssueReply,
    IssueRequest,
    RefusalNote,
    Reply,
    Request,
    StartedReply,
    StepsReply,
    decode_replies,
    decode_told,
    encode_frame,
    failure_of,
)
from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.errors import InProgress, StoreUnavailable
from certctl.domain.intent import POLL_SECONDS
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.order import Issued, Order
from certctl.domain.ports import WrongAttempt

if TYPE_CHECKING:
    from certctl.obs.tracing.spans import Tracing

READ_SIZE = 256 * 1024
RECONNECT_SECONDS = 0.1
# Longer than any commit and any restart of the authority (2 s), shorter than a
# client's patience: then the answer is 503 and the client asks again.
ANSWER_SECONDS = 10.0
# A CA outside may take longer than a device waits: then it is told 202 and asks again.
OUTSIDE_SECONDS = 8.0
SWEEP_SECONDS = 1.0
# An order is held back no longer than this, whatever the authority is doing.
GATHER_SECONDS = 0.002
# Refusals waiting for an authority that is away; floods are folded before this.
MAX_WAITING_NOTES = 10_000


class AuthorityClient:
    """Use from one event loop only; ``start`` connects and keeps connected."""

    def __init__(
        self,
        connect: Callable[[], socket.socket],
        *,
        answer_seconds: float = ANSWER_SECONDS,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._connect = connect
        self._answer_seconds = answer_seconds
        self._loop: asyncio.AbstractEventLoop
        self._socket: socket.socket | None = None
        self._greeted = False
        self._reader = FrameReader()
        self._next_id = 0
        # In the order they were sent, so the oldest is first.
        self._waiting: dict[int, tuple[asyncio.Future[Any], float]] = {}
        self._writer_added = False
        self._sweep: asyncio.TimerHandle | None = None
        self._outgoing: list[Request] = []
        self._flush_timer: asyncio.TimerHandle | None = None
        self._unanswered = 0
        # Orders that a CA outside has: they are not owed at once, and others must not be
        # held back for them.
        self._started: set[int] = set()
        self._pending = bytearray()
        self._reconnect: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """An authority has greeted us; a bare connection may wait in a dead one's queue."""
        return self._greeted

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open()

    def close(self) -> None:
        self._closed = True
        for timer in (self._reconnect, self._sweep, self._flush_timer):
            if timer is not None:
                timer.cancel()
        self._lose()

    async def issue(self, order: Order) -> Issued:
        """See ``ports.Authority.issue``."""
        request_id = self._new_request()
        return cast("Issued", await self._ask(IssueRequest(request_id, order)))

    async def judge_attempt(self, source: str, wrong: WrongAttempt | None) -> None:
        """See ``ports.Authority.judge_attempt``."""
        await self._ask(AttemptRequest(self._new_request(), source, wrong))

    async def execute(
        self, command: Command, *, bearer: str, origin: Origin, once: Once | None = None
    ) -> CommandResult:
        """Have the authority carry out a command; its effects are durable on return.
        ``bearer`` is the API key that covers it: a worker's word counts for nothing.

        Raises:
            Failure: it was refused, or the authority did not answer in time.
        """
        request = CommandRequest(self._new_request(), command, origin, once, bearer)
        return cast("CommandResult", await self._ask(request))

    def _new_request(self) -> int:
        if self._socket is None:
            raise StoreUnavailable("authority")
        self._next_id += 1
        return self._next_id

    async def _ask(self, request: IssueRequest | AttemptRequest | CommandRequest) -> object:
        asked = None
        if self._tracing is not None:
            asked = self._tracing.call(*_asked(request))
            if asked is not None and not isinstance(request, AttemptRequest):
                request = msgspec.structs.replace(request, trace=asked[1])
        answer: asyncio.Future[object] = self._loop.create_future()
        self._waiting[request.id] = (answer, self._loop.time() + self._answer_seconds)
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)
        self._send(request)
        try:
            return await answer
        finally:
            self._waiting.pop(request.id, None)
            if asked is not None:
                asked[0].end()

    def record_refusal(self, event: AuditEvent, counter: Counter | None) -> None:
        """See ``ports.Authority.record_refusal``; kept while the authority is away."""
        if self._socket is None and len(self._outgoing) >= MAX_WAITING_NOTES:
            return
        self._send(RefusalNote(event, counter))

    def _send(self, message: Request) -> None:
        """At once when the authority owes us nothing; else together with the next ones.

        While it signs and commits, more orders would only wait in its socket. Held back
        until its answer comes (or a moment has passed) they cost one system call and one
        wake-up together, and make one transaction.
        """
        self._outgoing.append(message)
        if self._flush_timer is None and self._socket is not None:
            delay = GATHER_SECONDS if self._unanswered else 0.0
            self._flush_timer = self._loop.call_later(delay, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._socket is None or not self._outgoing:
            return
        messages, self._outgoing = self._outgoing, []
        self._unanswered += sum(not isinstance(message, RefusalNote) for message in messages)
        self._pending += encode_frame(messages)
        self._write()

    def _write(self) -> None:
        connection = self._socket
        if connection is None:
            return
        try:
            while self._pending:
                sent = connection.send(self._pending)
                del self._pending[:sent]
        except BlockingIOError:
            if not self._writer_added:
                self._writer_added = True
                self._loop.add_writer(connection.fileno(), self._write)
            return
        except OSError:
            self._lose()
            return
        if self._writer_added:
            self._writer_added = False
            self._loop.remove_writer(connection.fileno())

    def _read(self) -> None:
        connection = self._socket
        if connection is None:
            return
        try:
            self._take(connection.recv(READ_SIZE))
            # An authority that dies with orders unread leaves an error behind its last
            # answers. uvloop tells of an error once and of nothing more (adr/0018).
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                while True:
                    self._take(connection.recv(READ_SIZE))
        except BlockingIOError:
            return
        except (OSError, EOFError, FrameError):
            self._lose()
        else:
            self._flush()

    def _take(self, data: bytes) -> None:
        if not data:
            raise EOFError
        for frame in self._reader.feed(data):
            self._greeted = True
            self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        tracing = self._tracing
        replies = decode_replies(frame) if tracing is None else _without_steps(frame, tracing)
        for reply in replies:
            if reply.id in self._started:
                self._started.discard(reply.id)
            else:
                self._unanswered -= 1
            if isinstance(reply, StartedReply):
                self._begun(reply.id)
                continue
            waiting = self._waiting.pop(reply.id, None)
            if waiting is None or waiting[0].done():
                continue
            answer = waiting[0]
            match reply:
                case FailureReply():
                    answer.set_exception(failure_of(reply))
                case IssueReply():
                    answer.set_result(reply.issued)
                case AttemptReply():
                    answer.set_result(None)
                case CommandReply():
                    answer.set_result(reply.result)

    def _begun(self, request_id: int) -> None:
        self._started.add(request_id)
        waiting = self._waiting.get(request_id)
        if waiting is not None:
            self._waiting[request_id] = (waiting[0], self._loop.time() + OUTSIDE_SECONDS)

    def _give_up(self) -> None:
        """One timer for all orders: a timer for each would be paid with every request."""
        now = self._loop.time()
        for request_id, (answer, deadline) in self._waiting.items():
            if deadline > now:
                continue
            if request_id in self._started and not answer.done():
                answer.set_exception(InProgress(retry_after=POLL_SECONDS))
            self._fail([answer])
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up) if self._waiting else None

    def _fail(self, answers: list[asyncio.Future[Any]]) -> None:
        for answer in answers:
            if not answer.done():
                answer.set_exception(StoreUnavailable("authority"))

    def _open(self) -> None:
        if self._closed:
            return
        try:
            connection = self._connect()
        except OSError:
            self._reconnect = self._loop.call_later(RECONNECT_SECONDS, self._open)
            return
        connection.setblocking(False)
        self._socket = connection
        self._loop.add_reader(connection.fileno(), self._read)
        if self._outgoing:
            self._flush()

    def _lose(self) -> None:
        """The connection is gone: fail what waits, keep notes, connect again."""
        connection, self._socket = self._socket, None
        self._greeted = False
        if connection is not None:
            self._loop.remove_reader(connection.fileno())
            self._loop.remove_writer(connection.fileno())
            self._writer_added = False
            connection.close()
        self._reader = FrameReader()
        self._pending = bytearray()
        self._unanswered = 0
        self._started.clear()
        # Orders not sent yet must not reach the next authority after their 503.
        self._outgoing = [note for note in self._outgoing if isinstance(note, RefusalNote)]
        waiting, self._waiting = self._waiting, {}
        self._fail([answer for answer, _ in waiting.values()])
        if not self._closed:
            self._reconnect = self._loop.call_later(RECONNECT_SECONDS, self._open)


def _without_steps(frame: bytes, tracing: Tracing) -> list[Reply]:
    """The answers of a frame; what the authority says of its steps becomes spans."""
    replies: list[Reply] = []
    for told in decode_told(frame):
        if isinstance(told, StepsReply):
            tracing.steps(told.trace, told.steps)
        else:
            replies.append(told)
    return replies


def _asked(request: IssueRequest | AttemptRequest | CommandRequest) -> tuple[str, str]:
    """What a span calls a question, and the kind of its command."""
    match request:
        case IssueRequest():
            return "issue", ""
        case AttemptRequest():
            return "judge_attempt", ""
        case CommandRequest():
            return "execute", type(request.command).__name__
