"""One ASGI application: dispatches by path prefix, answers health and readiness."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from certctl.web.answers import Answer, Receive, Scope, Send, send_answer
from certctl.web.est import EstApp
from certctl.web.problems import TEXT

PLAIN_JSON = (b"Content-Type", b"application/json")
NO_STORE = (b"Cache-Control", b"no-store")

Readiness = Callable[[], Mapping[str, bool]]


class App:
    """Everything a worker serves."""

    def __init__(self, est: EstApp, readiness: Readiness) -> None:
        self._est = est
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: bytes = scope["raw_path"]
        if path.startswith(b"/.well-known/est"):
            await self._est(scope, receive, send)
            return
        await send_answer(self._small(path, scope["method"]), send)

    def _small(self, path: bytes, method: str) -> Answer:
        if path not in (b"/health", b"/ready"):
            body = b"Nothing is here. EST is at /.well-known/est/.\n"
            return Answer(status=404, headers=(TEXT,), body=body)
        if method not in ("GET", "HEAD"):
            allow = (b"Allow", b"GET, HEAD")
            return Answer(status=405, headers=(TEXT, allow), body=b"GET or HEAD only.\n")
        if path == b"/health":
            body = json.dumps({"status": "ok"}).encode() + b"\n"
            return Answer(status=200, headers=(PLAIN_JSON, NO_STORE), body=body)
        parts = self._readiness()
        ready = all(parts.values())
        body = json.dumps({"ready": ready, "parts": dict(parts)}).encode() + b"\n"
        return Answer(status=200 if ready else 503, headers=(PLAIN_JSON, NO_STORE), body=body)
