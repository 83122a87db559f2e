"""The web pages as an attacker sends to them: cookies and headers by hand, no browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.harness.api import ApiClient
from tests.harness.http import Response
from tests.harness.server import RunningServer

COOKIE = "__Host-certctl"


@dataclass
class Visitor:
    """Keeps the session's token, as a browser keeps its cookie."""

    server: RunningServer
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.server.port}"

    def get(self, path: str, **headers: str) -> Response:
        return self._send("GET", path, None, headers)

    def head(self, path: str) -> Response:
        return self._send("HEAD", path, None, {})

    def post(
        self, path: str, fields: Mapping[str, str] | bytes = b"", **headers: str | None
    ) -> Response:
        """A form; ``Origin`` is the server's own unless another one (None: none) is given."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        given = {**sent, **headers}
        return self._send("POST", path, body, given)

    def log_in(self, key: str, **fields: str) -> Response:
        answer = self.post("/login", {"key": key, **fields})
        cookie = answer.headers.get("Set-Cookie", "")
        if cookie.startswith(f"{COOKIE}="):
            self.token = cookie.partition("=")[2].partition(";")[0]
        return answer

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str | None]
    ) -> Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.token is not None:
            sent.setdefault("Cookie", f"{COOKIE}={self.token}")
        return ApiClient(self.server).send(method, path, body, headers=sent, prefix="")
