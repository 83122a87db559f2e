"""A door of the server, watched: how each request to it ended, by the route it found.

Stands before the API, the web pages and MCP always, and before EST where requests are
traced. What is behind it names the route in the request's state (``ROUTE``); a path as it
came is never told to anybody.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from certctl.domain.asgi import Application, Receive, Scope, Send
from certctl.obs.tracing.current import CURRENT

if TYPE_CHECKING:
    from certctl.obs.tracing.spans import Trace, Tracing

ROUTE: Final = "certctl.route"
"""The template of the path that was found, in the ``state`` of the scope."""

REQUEST_ID: Final = b"x-request-id"
EVENT_STREAM: Final = b"text/event-stream"


OnAnswer = Callable[[str, str, int, int], None]
"""Hears of an answer: route (empty where none was found), method, status and when its
request was there (``perf_counter_ns``).
"""


class Watched:
    """ASGI application around another one."""

    def __init__(
        self,
        app: Application,
        surface: str,
        *,
        on_answer: OnAnswer | None = None,
        tracing: Tracing | None = None,
        by_proxy: Callable[[Scope], bool],
    ) -> None:
        """``by_proxy``: whether a request was sent by a proxy that is trusted."""
        self._app = app
        self._surface = surface
        self._on_answer = on_answer
        self._tracing = tracing
        self._by_proxy = by_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope["state"] = {**scope.get("state", {})}
        if self._tracing is None:
            await self._app(scope, receive, _Answer(self, scope, send, None).send)
            return
        trace = self._tracing.serve(
            self._surface, scope["method"], scope["headers"], lambda: self._by_proxy(scope)
        )
        answer = _Answer(self, scope, send, trace)
        if trace is None:
            await self._app(scope, receive, answer.send)
            return
        token = CURRENT.set(trace)
        try:
            await self._app(scope, receive, answer.send)
        except BaseException as fault:
            trace.fail(type(fault).__name__)
            raise
        finally:
            CURRENT.reset(token)
            trace.end()

    def answered(self, scope: Scope, status: int, began_ns: int) -> None:
        if self._on_answer is not None:
            self._on_answer(_route(scope), scope["method"], status, began_ns)


class _Answer:
    """ASGI ``send`` that notes how an answer begins: its end may be hours away."""

    __slots__ = ("_began", "_door", "_scope", "_send", "_trace")

    def __init__(self, door: Watched, scope: Scope, send: Send, trace: Trace | None) -> None:
        self._door = door
        self._scope = scope
        self._send = send
        self._trace = trace
        self._began = perf_counter_ns()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._door.answered(self._scope, message["status"], self._began)
            if self._trace is not None:
                self._tell(self._trace, message)
        await self._send(message)

    def _tell(self, trace: Trace, message: MutableMapping[str, Any]) -> None:
        status: int = message["status"]
        route = _route(self._scope)
        if route:
            trace.name(self._scope["method"], route)
        trace.tell({"http.response.status_code": status})
        for name, value in message.get("headers", ()):
            if name.lower() == REQUEST_ID:
                trace.tell({"certctl.request_id": value.decode("latin-1")})
        if status >= 500:
            trace.fail(str(status))
        if any(value.startswith(EVENT_STREAM) for _, value in message.get("headers", ())):
            trace.end()


def _route(scope: Scope) -> str:
    found: str = scope["state"].get(ROUTE, "")
    return found
