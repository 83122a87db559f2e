"""The door to ``/mcp``: opens with the first request for it, and lets in by the API's guard.

Path, method, key, rate, size and type of a request are judged as those of the management
API, by the same code, before the protocol sees an octet. A browser on another site is
turned away even with a key (Origin, MCP transports: DNS rebinding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from certctl.domain.api_keys import Role
from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.ids import RandomBytes, request_id
from certctl.web.answers import send_answer
from certctl.web.api.lazy import LazyApi
from certctl.web.api.problems import ApiRefused, problem_answer
from certctl.web.ui.origin import is_ours

PATH = b"/mcp"


class App(Protocol):
    """What is behind the guard."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]: ...

    def stop(self) -> None: ...


class NotInstalled(Exception):
    """The SDK is not there."""


class LazyMcp:
    """ASGI application for ``/mcp``. ``build`` is slow, so it runs in a thread."""

    def __init__(
        self,
        api: LazyApi,
        build: Callable[[Any], App],
        *,
        public_url: str | None,
        random: RandomBytes,
    ) -> None:
        self._api = api
        self._build = build
        self._public_url = public_url
        self._random = random
        self._opened: asyncio.Future[tuple[App, Any]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._require_ours(scope)
            _, guard = await self._open()
        except ApiRefused as refused:
            await send_answer(problem_answer(refused, request_id(self._random)), send)
            return
        await guard(scope, receive, send)

    def stop(self) -> None:
        """At the end of the worker, when nobody is served any more."""
        opened = self._opened
        if opened is not None and opened.done() and not opened.exception():
            opened.result()[0].stop()

    def _require_ours(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        says = b"origin" in headers or b"sec-fetch-site" in headers
        if says and not is_ours(headers, self._public_url):
            raise ApiRefused(
                403,
                "Another web site may not call this.",
                error="origin_refused",
                rule="The Origin of a request is this server's own, or there is none.",
                remedy="Connect with a program, or from a page of this server.",
            )

    async def _open(self) -> tuple[App, Any]:
        api = await self._api.opened()
        if self._opened is None:

            def build() -> tuple[App, Any]:
                from certctl.web.api.endpoint import Endpoint, Table  # noqa: PLC0415 - with FastAPI
                from certctl.web.api.guard import Guard  # noqa: PLC0415

                app = self._build(api)
                endpoint = Endpoint(
                    method="POST",
                    path=PATH.decode(),
                    prefix="",
                    handler=app,
                    summary="Model Context Protocol",
                    role=Role.VIEWER,
                )
                return app, Guard(app, Table([endpoint]), api.entrance)

            self._opened = asyncio.get_running_loop().run_in_executor(None, build)
            self._opened.add_done_callback(self._retry)
        try:
            # Shielded: the first one to ask may leave, and others wait for the same.
            return await asyncio.shield(self._opened)
        except NotInstalled as err:
            raise ApiRefused(
                501,
                "MCP is not installed on this server.",
                error="not_installed",
                remedy="Install certctl with the extra mcp: pip install 'certctl[mcp]'; or set"
                " CERTCTL_MCP_ENABLED=false.",
            ) from err

    def _retry(self, opened: asyncio.Future[tuple[App, Any]]) -> None:
        if opened.cancelled() or opened.exception() is not None:
            self._opened = None
