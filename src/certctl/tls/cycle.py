"""One request and its answer: the ASGI side of HTTP/1.1 as device clients need it.

Differs from uvicorn's cycle in what is written (est.md §6, notes on clients): header
names as the application gives them, header and body in one write, never chunked, no
header added but ``Connection: close``. An answer without Content-Length that does not say
so itself is a fault of the application and becomes a 500 while that is still possible;
with ``Connection: close`` it ends with its connection (RFC 9112 §6.3), as streams do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from certctl.tls.refusals import Refusal, refusal_body

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveEvent,
        ASGISendEvent,
        HTTPResponseBodyEvent,
        HTTPResponseStartEvent,
    )

_BODILESS: Final = (204, 304)


class AnswerFault(RuntimeError):
    """The application broke the rules for answers; the text says how."""


class Cycle(RequestResponseCycle):
    """Holds the header back until the first part of the body is there.

    ``on_failure`` hears that the application failed, and gives the request's id.
    """

    on_failure: Callable[[], str]
    head: list[bytes] | None = None
    has_close: bool = False
    endless: bool = False
    bodiless: bool = False

    async def send(self, message: ASGISendEvent) -> None:
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
            body_message = cast("HTTPResponseBodyEvent", message)
            body = body_message.get("body", b"")
            more = body_message.get("more_body", False)
            if self.response_started:
                self._write_part(body, more=more)
            else:
                self._write_first(body, more=more)
        elif kind == "http.response.start" and self.head is None and not self.response_started:
            self._take_head(cast("HTTPResponseStartEvent", message))
        else:
            raise AnswerFault(f"unexpected ASGI message {kind!r}")

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI ``receive``: asks for the body only when the application wants it."""
        if self.waiting_for_100_continue:
            self.waiting_for_100_continue = False
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

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the application; afterwards this holds its connection no longer."""
        try:
            await super().run_asgi(app)
        finally:
            del self.on_failure  # breaks a reference cycle, as uvicorn does for on_response

    async def send_500_response(self) -> None:
        """Called by uvicorn when the application failed before anything was written."""
        self.head = None
        self.keep_alive = False
        number = self.on_failure()
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

    def _take_head(self, message: HTTPResponseStartEvent) -> None:
        status = message["status"]
        if status < 200:
            raise AnswerFault("an interim status is not the application's to send")
        parts = [STATUS_LINE[status]]
        length: bytes | None = None
        self.has_close = False
        for name, value in message.get("headers", ()):
            parts += (name, b": ", value, b"\r\n")
            # Told apart by length first: most names are neither of the three.
            match len(name):
                case 14 if name.lower() == b"content-length":
                    length = value
                case 10 if name.lower() == b"connection":
                    self.has_close = b"close" in value.lower()
                case 17 if name.lower() == b"transfer-encoding":
                    raise AnswerFault("answers are never chunked")
                case _:
                    pass
        self.bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        if length is not None:
            if not length.isdigit():
                raise AnswerFault("Content-Length is not a number")
            self.expected_content_length = 0 if self.bodiless else int(length)
        elif not self.bodiless:
            if not self.has_close:
                raise AnswerFault("no Content-Length")
            self.endless = True
        joined = b"".join(parts)
        lines = len(parts) // 4 + 1
        if joined.count(b"\n") != lines or joined.count(b"\r") != lines or b"\0" in joined:
            raise AnswerFault("control character in a header")
        self.head = [joined]

    def _write_first(self, body: bytes, *, more: bool) -> None:
        head = self.head
        if head is None:
            raise AnswerFault("body before header")
        if self.has_close or self.more_body:
            # What is left of an unread body would be taken for the next request.
            self.keep_alive = False
        if not self.keep_alive and not self.has_close:
            head.append(b"Connection: close\r\n")
        head.append(b"\r\n")
        if not self.bodiless:
            self._count(body, more=more)
            head.append(body)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.head = None
        self.transport.write(b"".join(head))
        if not more:
            self._complete()

    def _write_part(self, body: bytes, *, more: bool) -> None:
        if not self.bodiless:
            self._count(body, more=more)
            self.transport.write(body)
        if not more:
            self._complete()

    def _count(self, body: bytes, *, more: bool) -> None:
        if self.endless:
            return
        self.expected_content_length -= len(body)
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise AnswerFault("the body does not have the length of Content-Length")

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
