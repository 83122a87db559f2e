"""``/metrics``: with an API key on the main port, without one on a port of its own.

On the main port the guard of the management API stands before it, so keys, roles, rates
and refusals on record are the same there. The other port speaks no TLS, knows no keys and
has this one path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from certctl.domain.api_keys import Role
from certctl.domain.asgi import Receive, Scope, Send
from certctl.web.answers import Answer, send_answer
from certctl.web.api.lazy import LazyApi
from certctl.web.problems import TEXT

if TYPE_CHECKING:
    from certctl.web.api.guard import Entrance, Guard

PATH: Final = b"/metrics"

Text = Callable[[], Awaitable[bytes]]
"""All metrics of this node."""

_NO_STORE = (b"Cache-Control", b"no-store")
_NOT_HERE = Answer(status=404, headers=(TEXT,), body=b"Nothing is here but /metrics.\n")
_WRONG_METHOD = Answer(status=405, headers=(TEXT, (b"Allow", b"GET, HEAD")), body=b"GET it.\n")


class MetricsPage:
    """ASGI application that answers whoever reaches it, whatever the path."""

    def __init__(self, text: Text, content_type: str) -> None:
        self._text = text
        self._type = (b"Content-Type", content_type.encode())

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = await self._text()
            headers = (self._type, _NO_STORE)
            await send_answer(Answer(status=200, headers=headers, body=body), send)


class MetricsPortApp:
    """What the port for metrics serves."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["raw_path"] != PATH:
            await send_answer(_NOT_HERE, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await send_answer(_WRONG_METHOD, send)
        else:
            await self._page(scope, receive, send)


class GuardedMetrics:
    """What the main port serves: viewers may, if their key is held to no tenant or profile."""

    def __init__(self, page: MetricsPage, api: LazyApi) -> None:
        self._page = page
        self._api = api
        self._guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._guard is None:
            self._guard = guarded(self._page, (await self._api.opened()).entrance)
        await self._guard(scope, receive, send)


def guarded(page: MetricsPage, entrance: Entrance) -> Guard:
    """The page behind the guard of the API."""
    from certctl.web.api.endpoint import Endpoint, Table  # noqa: PLC0415 - with the API
    from certctl.web.api.guard import Guard  # noqa: PLC0415

    endpoint = Endpoint(
        method="GET",
        path=PATH.decode(),
        handler=page,
        summary="Metrics of this node for Prometheus",
        role=Role.VIEWER,
        whole=True,
        prefix="",
    )
    return Guard(page, Table((endpoint,)), entrance)
