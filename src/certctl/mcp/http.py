"""The tools over streamable HTTP: stateless, one request and one JSON answer, no stream.

Whoever gets here has been let in already. Stateless, because a session would belong to one
worker of several, and would outlive the key that opened it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from certctl.mcp.backend import Backend
from certctl.mcp.server import mcp_server

Scope = Any

# Its warnings repeat what clients send, in a form that is not that of our log.
logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)


class McpHttp:
    """ASGI application; ``backend_of`` gets the scope of the request that carries a call."""

    def __init__(
        self,
        backend_of: Callable[[Scope], Backend],
        failed: Callable[[str, Exception], None],
        *,
        max_body: int,
    ) -> None:
        def backend(context: ServerRequestContext[Any, Any]) -> Backend:
            return backend_of(context.request.scope)  # type: ignore[union-attr]

        self._manager: Final = StreamableHTTPSessionManager(
            mcp_server(backend, failed),
            json_response=True,
            stateless=True,
            max_request_body_size=max_body,
        )
        self._started: asyncio.Future[None] | None = None
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if self._started is None:
            loop = asyncio.get_running_loop()
            self._started = loop.create_future()
            # A task of its own: what is entered in one task must be left in the same.
            self._task = loop.create_task(self._run(self._started))
        if self._task is not None and not self._started.done():
            await asyncio.wait((self._started, self._task), return_when=asyncio.FIRST_COMPLETED)
        await self._manager.handle_request(scope, receive, send)

    def stop(self) -> None:
        self._stopped.set()

    async def _run(self, started: asyncio.Future[None]) -> None:
        async with self._manager.run():
            started.set_result(None)
            await self._stopped.wait()
