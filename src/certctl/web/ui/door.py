"""The web pages behind a door that opens with the first request for one.

Templates, Jinja2 and what the pages share with the API are loaded then, in a thread; a
worker that only serves devices never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from certctl.domain.asgi import Receive, Scope, Send
from certctl.web.api.lazy import LazyApi

if TYPE_CHECKING:
    from certctl.web.ui.app import Ui


class LazyUi:
    """ASGI application for the paths of ``ui.paths``."""

    def __init__(
        self,
        api: LazyApi,
        *,
        idle_s: int,
        public_url: str | None,
        parts: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._api = api
        self._idle_s = idle_s
        self._public_url = public_url
        self._parts = parts
        self._ui: asyncio.Future[Ui] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ui = await self._opened()
        await ui(scope, receive, send)

    async def _opened(self) -> Ui:
        api = await self._api.opened()
        if self._ui is None:

            def build() -> Ui:
                from certctl.web.ui.app import Ui  # noqa: PLC0415 - loads the templates

                return Ui(api, idle_s=self._idle_s, public_url=self._public_url, parts=self._parts)

            self._ui = asyncio.get_running_loop().run_in_executor(None, build)
            self._ui.add_done_callback(self._retry)
        # Shielded: the first one to ask may leave, and others wait for the same.
        return await asyncio.shield(self._ui)

    def _retry(self, opened: asyncio.Future[Ui]) -> None:
        if opened.cancelled() or opened.exception() is not None:
            self._ui = None
