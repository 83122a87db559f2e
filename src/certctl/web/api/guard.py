"""Lets requests into the API: path, method, key, role, rate and body, in this order.

Works on the raw request, before anything of it is parsed, and from the table of endpoints
alone: an endpoint without a row there cannot be reached. Refusals of keys are on record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from certctl.domain.api_keys import Role
from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.clock import Clock
from certctl.domain.errors import Failure
from certctl.domain.ids import RandomBytes, request_id
from certctl.domain.kept_answer import Once
from certctl.domain.key_holders import EVERYBODY, Holder, KeyRefused
from certctl.enroll.refusals import RefusalFolder
from certctl.obs.log import Log
from certctl.web.answers import send_answer
from certctl.web.api.callers import Caller, KeyRing
from certctl.web.api.endpoint import Endpoint, Table
from certctl.web.api.problems import (
    API_POLICY,
    SAFE_HEADERS,
    ApiRefused,
    internal_error,
    not_found,
    problem_answer,
    refusal_of,
    unauthorized,
    wrong_method,
)
from certctl.web.api.rate import RateLimit
from certctl.web.through_proxy import ProxyGate
from certctl.web.watched import ROUTE

MAX_TOKEN = 512
MAX_IDEMPOTENCY_KEY = 255

_JSON: Final = (b"application/json", b"application/json; charset=utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What the guard stands on. ``ring`` None: everybody is an admin (loopback only)."""

    ring: KeyRing | None
    rate: RateLimit
    proxies: ProxyGate
    folder: RefusalFolder
    max_body: int
    clock: Clock
    random: RandomBytes
    log: Log


class _Gone(Exception):
    """The client left before its request was whole: there is nobody to answer."""


class Guard:
    """ASGI application around FastAPI's."""

    def __init__(self, app: Any, table: Table, entrance: Entrance) -> None:
        self._app = app
        self._table = table
        self._entrance = entrance
        self._log = entrance.log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = request_id(self._entrance.random)
        answer = _Out(send, number)
        try:
            inner, body = await self._admit(scope, receive, number)
            await self._app(inner, _Body(body, receive), answer.send)
        except _Gone:
            return
        except ApiRefused as refused:
            await send_answer(problem_answer(refused, number), send)
        except Failure as failure:
            await send_answer(problem_answer(refusal_of(failure), number), send)
        except Exception as fault:  # noqa: BLE001 - the edge: unknown faults become 500 and a log
            self._log.error("api_request_failed", exc_info=fault, request_id=number)
            if not answer.started:
                await send_answer(problem_answer(internal_error(), number), send)

    async def _admit(
        self, scope: Scope, receive: Receive, number: str
    ) -> tuple[dict[str, Any], bytes]:
        methods = self._table.methods(_plain_path(scope))
        if not methods:
            raise not_found()
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = methods.get(method)
        if endpoint is None:
            raise wrong_method(tuple(methods))
        if "state" in scope:
            scope["state"][ROUTE] = endpoint.full_path
        headers = _single(scope)
        client = self._entrance.proxies.caller(scope)
        client.require_readable()
        holder = self._holder(headers, client.source, endpoint, number)
        caller = Caller(
            holder=holder,
            bearer=_token(headers) or "",
            source=client.source,
            request_id=number,
            tls_version=client.tls.version,
        )
        self._slow_down(holder.key_id or client.source)
        self._permit(endpoint, caller)
        body = await self._read(headers, receive)
        if body and not endpoint.is_write:
            raise ApiRefused(400, "This method takes no body.", error="body_not_allowed")
        if body and headers.get(b"content-type", b"").lower() not in _JSON:
            raise ApiRefused(
                415, "The body is not announced as JSON.", remedy="Send application/json."
            )
        inner = {
            **scope,
            "method": method,
            "state": {
                "caller": caller,
                "once": _once(endpoint, scope, headers, caller, body),
                "head_only": scope["method"] == "HEAD",
            },
        }
        return inner, body

    def _holder(
        self, headers: Mapping[bytes, bytes], source: str, endpoint: Endpoint, number: str
    ) -> Holder:
        ring = self._entrance.ring
        if endpoint.role is None:
            return Holder(name="", role=Role.VIEWER, key_id="")
        if ring is None:
            return EVERYBODY
        token = _token(headers)
        if token is None:
            raise unauthorized("No API key was sent.")
        try:
            if len(token) > MAX_TOKEN:
                raise KeyRefused("unknown")  # noqa: TRY301 - one way out for all refused keys
            return ring.holder(token)
        except KeyRefused as refused:
            actor = f"key:{refused.name}" if refused.name else f"api-client:{source}"
            self._note(actor, source, number, {"reason": refused.reason}, endpoint)
            self._slow_down(source)
            raise unauthorized("This API key opens nothing here.") from None

    def _slow_down(self, name: str) -> None:
        wait = self._entrance.rate.wait_s(name)
        if wait:
            raise ApiRefused(
                429,
                "Too many requests.",
                error="rate_limited",
                rule="RATE_LIMIT_RPS and RATE_LIMIT_BURST limit each key and source.",
                remedy=f"Try again in {wait} seconds.",
                headers=((b"Retry-After", b"%d" % wait),),
            )

    def _permit(self, endpoint: Endpoint, caller: Caller) -> None:
        role = endpoint.role
        if role is None:
            return
        if not caller.holder.role.covers(role):
            self._note(
                caller.actor,
                caller.source,
                caller.request_id,
                {"reason": "role", "wanted": role.value, "got": caller.holder.role.value},
                endpoint,
            )
            raise ApiRefused(
                403,
                f"This needs a key with the role {role.value}.",
                error="forbidden",
                rule=f"The key {caller.holder.name} has the role {caller.holder.role.value}.",
                remedy=f"Use a key with the role {role.value}.",
            )
        if endpoint.whole and not caller.visible.everything:
            self._note(
                caller.actor, caller.source, caller.request_id, {"reason": "scope"}, endpoint
            )
            raise ApiRefused(
                403,
                f"This needs a key with the role {role.value} that is held to no tenant or"
                " profile.",
                error="forbidden",
                rule=f"The key {caller.holder.name} is.",
            )

    def _note(
        self,
        actor: str,
        source: str,
        number: str,
        details: Mapping[str, str | int | list[str]],
        endpoint: Endpoint,
    ) -> None:
        """Put a refusal of a key on record; floods of the same are folded."""
        event = AuditEvent(
            time_us=self._entrance.clock(),
            actor=actor,
            actor_type=actor.partition(":")[0],
            action=AuditAction.API_REFUSED,
            outcome=Outcome.FAILURE,
            profile="",
            resource_type="api",
            resource_id=f"{endpoint.method} {endpoint.full_path}",
            source_address=source,
            request_id=number,
            details=details,
        )
        if self._entrance.folder.add(event, None):
            self._entrance.log.info(
                "api_refused",
                actor=actor,
                resource=event.resource_id,
                source=source,
                request_id=number,
                **details,
            )

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        most = self._entrance.max_body
        too_large = ApiRefused(
            413, "The body is too long.", rule=f"MAX_BODY_SIZE is {most} octets."
        )
        if int(headers.get(b"content-length", b"0")) > most:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            if len(body) > most:
                raise too_large
            if not message.get("more_body"):
                return bytes(body)


class _Body:
    """ASGI ``receive`` for what was read already; then it waits for the client to leave."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()


class _Out:
    """ASGI ``send`` that puts the headers of every answer in."""

    def __init__(self, send: Send, number: str) -> None:
        self._send = send
        self._number = number
        self.started = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = {name.lower() for name, _ in message["headers"]}
            own = ((b"X-Request-Id", self._number.encode()), *SAFE_HEADERS, API_POLICY)
            extra = [each for each in own if each[0].lower() not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)


def _plain_path(scope: Scope) -> str:
    """The path's octets as they came: what is written any other way is no path of ours."""
    path: bytes = scope["raw_path"]
    return path.decode("latin-1")


def _single(scope: Scope) -> dict[bytes, bytes]:
    """Headers by name. One of ours that stands twice says two things: refused."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found and name in (b"authorization", b"idempotency-key", b"content-type"):
            raise ApiRefused(400, f"The header {name.decode()} stands there twice.")
        found[name] = value
    return found


def _token(headers: Mapping[bytes, bytes]) -> str | None:
    """What was sent as Bearer token; None: nothing that could be one."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = token.strip()
    return token if token and scheme.lower() == "bearer" else None


def _once(
    endpoint: Endpoint,
    scope: Scope,
    headers: Mapping[bytes, bytes],
    caller: Caller,
    body: bytes,
) -> Once | None:
    key = headers.get(b"idempotency-key")
    if key is None or not endpoint.is_write:
        return None
    if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY or not all(0x20 < octet < 0x7F for octet in key):
        raise ApiRefused(
            400,
            "The Idempotency-Key cannot be used.",
            error="idempotency_key_malformed",
            rule=f"It is 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters.",
        )
    parts = (scope["method"].encode(), scope["raw_path"], scope["query_string"], body)
    return Once(
        key=hashlib.sha256(caller.holder.key_id.encode() + b"\0" + key).digest(),
        request=hashlib.sha256(b"\0".join(parts)).digest(),
    )
