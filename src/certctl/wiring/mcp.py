"""``/mcp`` of a worker: the tools asked in this very process, on behalf of their caller.

Each call becomes one more request to the management API or to EST, with the key, the
connection and the address of the request that carries it, through the same guards as any
other. So there is no second way to anything, and what is refused is on record as ever.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec.structs import replace

from certctl.client.failures import BadAnswer, ClientFailure, Refused
from certctl.client.http import USER_AGENT, Answer
from certctl.domain.asgi import Scope
from certctl.mcp.backend import EstAnswer, EstAsk, ToolFailure
from certctl.obs.log import Log
from certctl.web.api.build import Api
from certctl.web.est import EstApp
from certctl.web.mcp import NotInstalled
from certctl.web.through_proxy import PROXY_HEADERS
from certctl.wire.body import encode_base64
from certctl.wiring.mcp_failures import UNAUTHORIZED, est_answer, tool_failure

if TYPE_CHECKING:
    from certctl.domain.connection import TLSInfo
    from certctl.mcp.http import McpHttp

PREFIX = "/api/v1"
PROBLEM_JSON = b"application/problem+json"

EST_AUTHORIZATION = b"x-est-authorization"
"""What EST is to get as Authorization: that of the request itself holds the API key."""

_KEPT = PROXY_HEADERS | {b"host"}

_NO_FILES = "Over HTTP the server reads no files for a caller."
_NO_CREDENTIAL = (
    "Have the person who set up this connection send the enrollment password with it, in the"
    " header X-Est-Authorization; it does not belong in a conversation."
)
_CERTIFICATE = (
    "Connect to this server with the client certificate that is to be renewed; or run"
    " certctl-mcp where its key is."
)


def build_mcp(api: Api, est: EstApp, *, max_body: int, log: Log) -> McpHttp:
    """The application behind the door; loads the SDK.

    Raises:
        NotInstalled: the SDK is not there.
    """
    if find_spec("mcp") is None:
        raise NotInstalled
    from certctl.mcp.http import McpHttp  # noqa: PLC0415 - loads the SDK

    def failed(tool: str, fault: Exception) -> None:
        log.error("mcp_tool_failed", exc_info=fault, tool=tool)

    return McpHttp(lambda scope: InProcess(api, est, scope), failed, max_body=max_body)


class InProcess:
    """The tools' backend for one request; see ``mcp.backend.Backend``."""

    def __init__(self, api: Api, est: EstApp, scope: Scope) -> None:
        self._api = api
        self._est = est
        self._scope = scope

    @property
    def request_id(self) -> str:
        return str(self._scope["state"]["caller"].request_id)

    async def management(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        data = json.dumps(body).encode() if body is not None else b""
        headers = self._headers(b"authorization")
        if data:
            headers.append((b"content-type", b"application/json"))
        answer = await self._ask(
            self._api.inner, method, PREFIX + path, headers, data, query=urlencode(given)
        )
        if answer.status not in range(200, 300):
            raise tool_failure(
                Refused(answer.status, answer.words, asked=f"{method} {PREFIX}{path}")
            )
        return json.loads(answer.body)

    async def est(self, ask: EstAsk) -> EstAnswer:
        if ask.certificate is not None:
            raise ToolFailure(
                "files_refused",
                f"{_NO_FILES} A private key stays on its device.",
                remedy="Run certctl-mcp where the key is; or leave cert and key out, and connect"
                " to this server with the client certificate that is to be renewed.",
            )
        renews = ask.operation == "simplereenroll"
        if renews and ask.csr is None:
            raise ToolFailure(
                "csr_missing",
                "Over HTTP the request is not made here: the server has no key of the device.",
                remedy="Give the CSR in PEM.",
            )
        route = "est-mtls" if renews else "est"
        label = f"/{ask.profile}" if ask.profile else ""
        headers = [
            *((b"authorization", value) for value in self._values(EST_AUTHORIZATION)),
            *self._headers(),
            (b"accept", PROBLEM_JSON),
            (b"user-agent", USER_AGENT.encode()),
        ]
        body = encode_base64(ask.csr, wrapped=True) if ask.csr is not None else b""
        path = f"/.well-known/{route}{label}/{ask.operation}"
        method = "POST" if ask.csr is not None else "GET"
        if body:
            headers.append((b"content-type", b"application/pkcs10"))
        answer = await self._ask(self._est, method, path, headers, body)
        try:
            return est_answer(answer, ask.operation)
        except ClientFailure as failure:
            told = tool_failure(failure)
            if told.error == UNAUTHORIZED:
                told.remedy = _CERTIFICATE if renews else _NO_CREDENTIAL
            raise told from failure

    async def file(self, path: str) -> bytes:
        del path
        raise ToolFailure(
            "files_refused",
            _NO_FILES,
            remedy="Give what the file holds, in PEM; or run certctl-mcp, which reads files.",
        )

    async def doctor(self, url: str | None, profile: str) -> Any:
        del url, profile
        raise ToolFailure(
            "not_over_http",
            "The doctor looks at a server from outside, and this one connects to no address that"
            " a caller names.",
            remedy="Run certctl-mcp or certctl-cli doctor on a machine of yours.",
        )

    def _headers(self, *also: bytes) -> list[tuple[bytes, bytes]]:
        """Of the carrying request: what a proxy says of its client, and ``also``."""
        return [each for each in self._scope["headers"] if each[0] in _KEPT or each[0] in also]

    def _values(self, name: bytes) -> list[bytes]:
        return [value for found, value in self._scope["headers"] if found == name]

    async def _ask(
        self,
        app: Any,
        method: str,
        path: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        query: str = "",
    ) -> Answer:
        tls: TLSInfo = self._scope["extensions"]["certctl.tls"]
        if body:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        scope = {
            **self._scope,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            # A CSR cannot be bound to this connection: it was made without it, and a binding
            # would have to end it (RFC 9266 §4.1).
            "extensions": {"certctl.tls": replace(tls, exporter=None, tls_unique=None)},
        }
        exchange = _Exchange(body)
        await app(scope, exchange.receive, exchange.send)
        return exchange.answer()


class _Exchange:
    """One request and its whole answer, without a socket."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        if self._body is None:
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            for name, value in message["headers"]:
                self._headers.setdefault(name.decode().lower(), value.decode("latin-1"))
        else:
            self._parts.append(message.get("body", b""))

    def answer(self) -> Answer:
        if not self._status:
            raise tool_failure(BadAnswer("The server gave no answer."))
        return Answer(status=self._status, headers=self._headers, body=b"".join(self._parts))
