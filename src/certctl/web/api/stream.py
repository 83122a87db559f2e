"""``/audit/stream``: audit events as server-sent events (WHATWG HTML §9.2).

Each event's id is its place in the trail, so a client that comes back with
``Last-Event-ID`` misses nothing. The answer has no length: it ends with its connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Header, Query, Request
from starlette.responses import Response

from certctl.domain.api_keys import Role
from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.audit import RecordedEvent
from certctl.domain.errors import Unavailable
from certctl.domain.key_holders import KeyRefused
from certctl.domain.search import AuditQuery, matches
from certctl.web.api.audit import AuditFilter, event_out
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask, Asked
from certctl.web.api.tail import Cursor, Listener, Tail, cursor_of, cursor_text

EVENT_STREAM = "text/event-stream"
HEARTBEAT_S = 15.0
# How soon a revoked key, a stop of the server or a client that left ends a stream.
LOOK_S = 0.9


async def stream(
    query: Annotated[AuditFilter, Query()],
    ask: Ask,
    request: Request,
    last_event_id: Annotated[
        str | None, Header(max_length=4_096, description="The id of the last event seen.")
    ] = None,
) -> Response:
    """Audit events from now on, or from after ``Last-Event-ID`` on, as they are recorded."""
    tail: Tail = request.app.state.tail
    cursor = cursor_of(last_event_id) if last_event_id else None
    if last_event_id and cursor is None:
        raise ApiRefused(422, "The Last-Event-ID is none of ours.", remedy="Leave it out.")
    if tail.full:
        raise ApiRefused(
            503,
            "Too many streams are open.",
            error="too_many_streams",
            remedy="Try again later, or close another one.",
            headers=((b"Retry-After", b"30"),),
        )
    if cursor is None:
        cursor = await tail.heads()
    token = _token(request.scope)
    return EventStream(
        tail,
        query.query(ask.caller.visible),
        cursor,
        show=lambda event: event_out(event).model_dump_json(),
        may_stay=lambda: _opens(ask, token),
        head_only=request.scope["state"]["head_only"],
    )


class EventStream(Response):
    """Sends until the client leaves, may not stay, or the server stops.

    ``show`` writes an event's data; ``may_stay`` is asked about once a second.
    """

    media_type = EVENT_STREAM

    def __init__(
        self,
        tail: Tail,
        query: AuditQuery,
        cursor: Cursor,
        *,
        show: Callable[[RecordedEvent], str],
        may_stay: Callable[[], Awaitable[bool]],
        head_only: bool = False,
    ) -> None:
        super().__init__(
            headers={
                "Cache-Control": "no-store",
                "Connection": "close",
                # nginx would hold the events back until it has enough of them.
                "X-Accel-Buffering": "no",
            }
        )
        del self.headers["content-length"]
        self._tail = tail
        self._show = show
        self._may_stay = may_stay
        self._head_only = head_only
        self._query = query
        self._cursor = dict(cursor)
        self._send: Send

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self._send = send
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if self._head_only:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        listener = self._tail.listen()
        gone = asyncio.get_running_loop().create_task(_until_gone(receive, listener))
        try:
            await self._run(listener, gone)
        finally:
            gone.cancel()
            self._tail.leave(listener)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, listener: Listener, gone: asyncio.Task[None]) -> None:
        await self._write(f"retry: 2000\nid: {cursor_text(self._cursor)}\n\n")
        said = time.monotonic()
        while not gone.done() and not self._tail.stopping and await self._may_stay():
            sent = await self._catch_up(listener)
            while listener.queue:
                sent |= await self._pass_on(listener.queue.popleft())
            now = time.monotonic()
            if sent:
                said = now
            elif now - said >= HEARTBEAT_S:
                said = now
                # With the place, so that a quiet filter does not read everything again.
                await self._write(f": still here\nid: {cursor_text(self._cursor)}\n\n")
            if not listener.queue and not listener.overflowed:
                await listener.wait(LOOK_S)

    async def _catch_up(self, listener: Listener) -> bool:
        """Read from the store what the queue does not hold."""
        if not listener.overflowed:
            return False
        listener.overflowed = False
        sent = False
        try:
            while events := await self._tail.since(self._cursor):
                for each in events:
                    sent |= await self._pass_on(each)
                if self._tail.stopping or not await self._may_stay():
                    break
        except Unavailable:
            listener.overflowed = True
            await asyncio.sleep(LOOK_S)
        return sent

    async def _pass_on(self, event: RecordedEvent) -> bool:
        """Send one event, once, if it is wanted; True when it was."""
        if event.seq <= self._cursor.get(event.node, 0):
            return False
        self._cursor[event.node] = event.seq
        if not matches(self._query, event.event):
            return False
        lines = self._show(event).splitlines()
        data = "\n".join(f"data: {line}" for line in lines)
        await self._write(f"id: {cursor_text(self._cursor)}\nevent: audit\n{data}\n\n")
        return True

    async def _write(self, text: str) -> None:
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _opens(ask: Asked, token: str) -> bool:
    """The key still opens this; a store that is away ends no stream."""
    ring = ask.services.ring
    if ring is None:
        return True
    try:
        return ring.holder(token).key_id == ask.caller.holder.key_id
    except KeyRefused:
        return False
    except Unavailable:
        return True


async def _until_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.news.set()


def _token(scope: Scope) -> str:
    value = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    return str(value.partition(" ")[2].strip())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit/stream",
        handler=stream,
        summary="Audit events as they come",
        role=Role.VIEWER,
        media_type=EVENT_STREAM,
        tag="audit",
    ),
)
