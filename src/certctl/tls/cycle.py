"""One request and its answer: the ASGI side of HTTP/1.1 as device clients need it.

What is written (est.md §6, notes on clients): header names as the application gives them,
header and body in one write, never chunked, no header added but ``Connection: close``. An
answer without Content-Length that does not say so itself is a fault of the application and
becomes a 500 while that is still possible; with ``Connection: close`` it ends with its
connection (RFC 9112 §6.3), as streams do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, Protocol

from certctl.domain.asgi import Application, Message, Scope
from certctl.tls.flow import Flow
from certctl.tls.refusals import STATUS_LINES, Refusal, refusal_body
from certctl.tls.transport import write_last

_BODILESS: Final = (204, 304)


class AnswerFault(RuntimeError):
    """The application broke the rules for answers; the text says how."""


class CycleOwner(Protocol):
    """The protocol that read the request, as its cycle sees it."""

    def on_response_complete(self) -> None: ...
    def on_application_failed(self, fault: BaseException, *, answered: bool) -> str:
        """Tells of it; gives the request's id, none where the answer has begun."""

    def on_ended(self, cycle: Cycle) -> None:
        """The application has returned. Called exactly once."""


@dataclass(slots=True)
class Served:
    """What the connections of one listener have asked for: requests whose application runs,
    and how many were answered.
    """

    in_flight: set[Cycle] = field(default_factory=set)
    total_requests: int = 0


class Cycle:
    """Holds the header back until the first part of the body is there.

    Reader and application meet here: ``body``, ``more_body`` and ``message_event`` are the
    reader's to set.
    """

    __slots__ = (
        "_bodiless",
        "_endless",
        "_has_close",
        "_head",
        "_left",
        "_owner",
        "_waiting_for_100_continue",
        "body",
        "disconnected",
        "flow",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
        "transport",
    )

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: Flow,
        *,
        expect_100_continue: bool,
        keep_alive: bool,
        owner: CycleOwner,
    ) -> None:
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.keep_alive = keep_alive
        self.task: asyncio.Task[None]
        self.body = bytearray()
        self.more_body = True
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._owner = owner
        self._waiting_for_100_continue = expect_100_continue
        self._head: list[bytes] | None = None
        self._has_close = False
        self._endless = False
        self._bodiless = False
        # Octets of the body that are still to come by the answer's own word.
        self._left = 0

    async def run(self, app: Application) -> None:
        """Run the application; afterwards this holds its connection no longer."""
        try:
            await app(self.scope, self.receive, self.send)
            self._require_answered()
        except BaseException as fault:  # noqa: BLE001 - the edge: it becomes 500 and a log event
            await self._break_off(fault)
        finally:
            self._owner.on_ended(self)
            # Else this, protocol and task hold each other until the next garbage collection.
            del self._owner, self.task

    async def send(self, message: Message) -> None:
        """ASGI ``send``. Waits while the peer is slow; drops everything once it is gone.

        Raises:
            AnswerFault: wrong order of messages, no or a wrong Content-Length, chunked,
                a control character in a header.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.body" and not self.response_complete:
            body = message.get("body", b"")
            more = message.get("more_body", False)
            if self.response_started:
                self._write_part(body, more=more)
            else:
                self._write_first(body, more=more)
        elif kind == "http.response.start" and self._head is None and not self.response_started:
            self._take_head(message)
        else:
            raise AnswerFault(f"unexpected ASGI message {kind!r}")

    async def receive(self) -> Message:
        """ASGI ``receive``: asks for the body only when the application wants it."""
        if self._waiting_for_100_continue:
            self._waiting_for_100_continue = False
            # RFC 9110 §10.1.1: needless once the client has begun to send.
            if self.more_body and not self.body and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.disconnected and not self.response_complete:
            if self.more_body:
                self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body = bytes(self.body)
        self.body = bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    def _require_answered(self) -> None:
        if not self.response_complete and not self.disconnected:
            raise AnswerFault("no whole answer")

    async def _break_off(self, fault: BaseException) -> None:
        """The application failed: a 500 while nothing was written, else the end."""
        number = self._owner.on_application_failed(fault, answered=self.response_started)
        if self.response_started:
            self.transport.close()
            return
        self._head = None
        self.keep_alive = False
        body = refusal_body(Refusal.APPLICATION_FAILED, number)
        await self.send(
            {
                "type": "http.response.start",
                "status": 500,
                "headers": [
                    (b"Content-Type", b"text/plain; charset=utf-8"),
                    (b"Content-Length", b"%d" % len(body)),
                    (b"X-Request-Id", number.encode("ascii")),
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": body})

    def disconnect(self) -> None:
        """Tell the application that nobody waits for its answer any more."""
        if not self.response_complete:
            self.disconnected = True
            self.message_event.set()

    def _take_head(self, message: Message) -> None:
        status = message["status"]
        if status < 200:
            raise AnswerFault("an interim status is not the application's to send")
        parts = [STATUS_LINES[status]]
        length: bytes | None = None
        self._has_close = False
        for name, value in message.get("headers", ()):
            parts += (name, b": ", value, b"\r\n")
            # Told apart by length first: most names are neither of the three.
            match len(name):
                case 14 if name.lower() == b"content-length":
                    length = value
                case 10 if name.lower() == b"connection":
                    self._has_close = b"close" in value.lower()
                case 17 if name.lower() == b"transfer-encoding":
                    raise AnswerFault("answers are never chunked")
                case _:
                    pass
        self._bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        if length is not None:
            if not length.isdigit():
                raise AnswerFault("Content-Length is not a number")
            self._left = 0 if self._bodiless else int(length)
        elif not self._bodiless:
            if not self._has_close:
                raise AnswerFault("no Content-Length")
            self._endless = True
        joined = b"".join(parts)
        lines = len(parts) // 4 + 1
        if joined.count(b"\n") != lines or joined.count(b"\r") != lines or b"\0" in joined:
            raise AnswerFault("control character in a header")
        self._head = [joined]

    def _write_first(self, body: bytes, *, more: bool) -> None:
        head = self._head
        if head is None:
            raise AnswerFault("body before header")
        if self._has_close or self.more_body:
            # What is left of an unread body would be taken for the next request.
            self.keep_alive = False
        if not self.keep_alive and not self._has_close:
            head.append(b"Connection: close\r\n")
        head.append(b"\r\n")
        if not self._bodiless:
            self._count(body, more=more)
            head.append(body)
        self.response_started = True
        self._waiting_for_100_continue = False
        self._head = None
        whole = b"".join(head)
        if more or self.keep_alive:
            self.transport.write(whole)
        else:
            write_last(self.transport, whole)
        if not more:
            self._complete()

    def _write_part(self, body: bytes, *, more: bool) -> None:
        if not self._bodiless:
            self._count(body, more=more)
            self.transport.write(body)
        if not more:
            self._complete()

    def _count(self, body: bytes, *, more: bool) -> None:
        if self._endless:
            return
        self._left -= len(body)
        if self._left < 0 or (self._left and not more):
            raise AnswerFault("the body does not have the length of Content-Length")

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self._owner.on_response_complete()
