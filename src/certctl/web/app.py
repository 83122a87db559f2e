"""One ASGI application: dispatches by path prefix, answers health and readiness."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from certctl.domain.asgi import Application, Receive, Scope, Send
from certctl.domain.ids import RandomBytes, request_id
from certctl.web.answers import Answer, send_answer
from certctl.web.api.lazy import PREFIX as API_PREFIX
from certctl.web.mcp import PATH as MCP
from certctl.web.metrics import PATH as METRICS_PATH
from certctl.web.metrics import GuardedMetrics
from certctl.web.pki import PREFIX, PkiApp
from certctl.web.problems import Problem, answer_of, nothing_here, wants_json, wrong_method
from certctl.web.ui.paths import is_page

PLAIN_JSON = (b"Content-Type", b"application/json")
NO_STORE = (b"Cache-Control", b"no-store")

Readiness = Callable[[], Mapping[str, bool]]


class App:
    """Everything a worker serves."""

    def __init__(
        self,
        est: Application,
        pki: PkiApp,
        api: Application,
        ui: Application,
        mcp: Application | None,
        metrics: GuardedMetrics,
        readiness: Readiness,
        *,
        random: RandomBytes,
    ) -> None:
        self._est = est
        self._api = api
        self._ui = ui
        self._mcp = mcp
        self._metrics = metrics
        self._pki = pki
        self._readiness = readiness
        self._random = random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: bytes = scope["raw_path"]
        if path.startswith(b"/.well-known/est"):
            await self._est(scope, receive, send)
            return
        if path.startswith(API_PREFIX):
            await self._api(scope, receive, send)
            return
        if path.startswith(PREFIX):
            await self._pki(scope, receive, send)
            return
        if path == MCP and self._mcp is not None:
            await self._mcp(scope, receive, send)
            return
        if is_page(path):
            await self._ui(scope, receive, send)
            return
        if path == METRICS_PATH:
            await self._metrics(scope, receive, send)
            return
        if path not in (b"/health", b"/ready"):
            answer = self._refusal(nothing_here(), scope)
        elif scope["method"] not in ("GET", "HEAD"):
            answer = self._refusal(wrong_method("GET, HEAD", mend="GET this path."), scope)
        else:
            answer = self._small(path)
        await send_answer(answer, send)

    def _refusal(self, problem: Problem, scope: Scope) -> Answer:
        return answer_of(
            problem, request_id=request_id(self._random), wants_json=wants_json(scope["headers"])
        )

    def _small(self, path: bytes) -> Answer:
        if path == b"/health":
            body = json.dumps({"status": "ok"}).encode() + b"\n"
            return Answer(status=200, headers=(PLAIN_JSON, NO_STORE), body=body)
        parts = self._readiness()
        ready = all(parts.values())
        body = json.dumps({"ready": ready, "parts": dict(parts)}).encode() + b"\n"
        return Answer(status=200 if ready else 503, headers=(PLAIN_JSON, NO_STORE), body=body)
