"""The API behind a door that opens with the first request for it.

FastAPI and the models take a quarter of a second and some 25 MB: a worker that only ever
serves devices shall not pay them, and one that does not shall not stop serving devices
meanwhile, so they are loaded in a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from certctl.domain.asgi import Receive, Scope, Send
from certctl.web.answers import Answer, send_answer
from certctl.web.watched import ROUTE

if TYPE_CHECKING:
    from certctl.web.api.build import Api

PREFIX = b"/api/"

_DOCUMENT = b"/api/v1/openapi.json"
_DOCS = (b"/api/docs", b"/api/docs/")
_STYLE = b"/api/docs/style.css"

STATIC_PATHS = (_DOCUMENT, _STYLE, *_DOCS)
"""What is the same for everybody."""

_UNCHANGED = (b"Cache-Control", b"no-cache")
_NOSNIFF = (b"X-Content-Type-Options", b"nosniff")


class LazyApi:
    """ASGI application for everything below ``/api/``."""

    def __init__(self, build: Callable[[], Api]) -> None:
        self._build = build
        self._api: asyncio.Future[Api] | None = None
        self._static: dict[bytes, Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = await self.opened()
        static = self._static.get(scope["raw_path"])
        if static is not None and scope["method"] in ("GET", "HEAD"):
            scope["state"][ROUTE] = scope["raw_path"].decode("ascii")
            await send_answer(static, send)
            return
        await api(scope, receive, send)

    def stop(self) -> None:
        """End every stream; at the end of the worker."""
        if self._api is not None and self._api.done() and not self._api.exception():
            self._api.result().stop()

    async def opened(self) -> Api:
        """The API, loaded and built if it is not yet."""
        if self._api is None:
            self._api = asyncio.get_running_loop().run_in_executor(None, self._open)
            self._api.add_done_callback(self._retry)
        # Shielded: the first one to ask may leave, and others wait for the same.
        return await asyncio.shield(self._api)

    def _open(self) -> Api:
        api = self._build()
        self._static = static_answers(api)
        return api

    def _retry(self, opened: asyncio.Future[Api]) -> None:
        if opened.cancelled() or opened.exception() is not None:
            self._api = None


def static_answers(api: Api) -> dict[bytes, Answer]:
    """The document and its page: the same for everybody, and open to everybody."""
    from certctl.web.api.page import POLICY, STYLE, docs_page  # noqa: PLC0415 - with the rest

    def answer(kind: bytes, body: bytes, policy: str = "default-src 'none'") -> Answer:
        headers = (
            (b"Content-Type", kind),
            (b"Content-Security-Policy", policy.encode()),
            _UNCHANGED,
            _NOSNIFF,
        )
        return Answer(status=200, headers=headers, body=body)

    page = answer(b"text/html; charset=utf-8", docs_page(api.document).encode(), POLICY)
    return {
        _DOCUMENT: answer(b"application/json", json.dumps(api.document).encode()),
        _STYLE: answer(b"text/css; charset=utf-8", STYLE.encode()),
    } | dict.fromkeys(_DOCS, page)
