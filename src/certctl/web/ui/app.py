"""Lets requests for pages in: path, method, origin, session, role, rate and form, in this order.

By the table of pages alone: what has no row there cannot be reached, and what a page needs
is checked before anything of it runs. The API's guard is the same for keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from certctl.domain.asgi import Receive, Scope, Send
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import Failure
from certctl.domain.ids import request_id
from certctl.domain.kept_answer import Origin
from certctl.domain.key_holders import EVERYBODY
from certctl.domain.sessions import BEARER
from certctl.web.answers import Answer, send_answer
from certctl.web.api.build import Api
from certctl.web.api.callers import Caller
from certctl.web.api.problems import ApiRefused, internal_error, refusal_of
from certctl.web.api.services import Asked
from certctl.web.ui import login
from certctl.web.ui.origin import is_ours
from certctl.web.ui.page import Page, Pages, Streaming, Visit, html, see
from certctl.web.ui.sent_once import once_of
from certctl.web.ui.session import LoggedIn, Sessions, has_cookie
from certctl.web.ui.static_files import PREFIX as STATIC
from certctl.web.ui.static_files import StaticFiles
from certctl.web.ui.table import PAGES
from certctl.web.ui.templating import Templates
from certctl.web.watched import ROUTE

HERE = Path(__file__).parent

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS: Final = (
    (b"Content-Security-Policy", POLICY.encode()),
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    # Not no-referrer: that would take the Origin from our own forms.
    (b"Referrer-Policy", b"same-origin"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)

_FORM: Final = b"application/x-www-form-urlencoded"
_ONCE: Final = frozenset({b"host", b"origin", b"cookie", b"content-type", b"sec-fetch-site"})
_MOST_FIELDS: Final = 100


class _Gone(Exception):
    """The client left before its request was whole: there is nobody to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request before it is known whether it is let in."""

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    source: str
    tls_version: str
    number: str

    @property
    def origin(self) -> Origin:
        return Origin(
            source_address=self.source, request_id=self.number, tls_version=self.tls_version
        )

    @property
    def fragment(self) -> bool:
        """Whether htmx wants a part; restoring a page of the history, it wants all of it."""
        restores = b"hx-history-restore-request" in self.headers
        return self.headers.get(b"hx-request") == b"true" and not restores


class Ui:
    """The pages of one worker."""

    def __init__(
        self,
        api: Api,
        *,
        idle_s: int,
        public_url: str | None,
        parts: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._services = api.services
        self._entrance = api.entrance
        self._log = api.entrance.log
        self._tail = api.tail
        self._parts = parts
        self._public_url = public_url
        self._pages = Pages(PAGES)
        self._static = StaticFiles(HERE / "static")
        self._sessions = Sessions(api.services, idle_us=idle_s * SECOND_US)
        self._templates = Templates(HERE / "templates", self._static, api.services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = request_id(self._entrance.random)
        try:
            answer = await self._answer(scope, receive, number)
            if not isinstance(answer, Answer):
                await answer(scope, receive, _with_headers(send))
                return
        except _Gone:
            return
        except ApiRefused as refused:
            answer = self._refusal(refused, number)
        except Failure as failure:
            answer = self._refusal(refusal_of(failure), number)
        except Exception as fault:  # noqa: BLE001 - the edge: unknown faults become 500 and a log
            self._log.error("page_failed", exc_info=fault, request_id=number)
            answer = self._refusal(internal_error(), number)
        await send_answer(_dressed(answer, number), send)

    async def _answer(self, scope: Scope, receive: Receive, number: str) -> Answer | Streaming:
        request = self._request(scope, number)
        if request.path.startswith(STATIC) and request.method == "GET":
            scope["state"][ROUTE] = STATIC + "{file}"
            file = self._static.answer(request.path, request.headers)
            if file is None:
                raise ApiRefused(404, "There is no such file.")
            return file
        methods, names = self._pages.find(request.path)
        page = methods.get(request.method)
        if request.path in login.PATHS:
            scope["state"][ROUTE] = request.path
            return await self._door(request, receive)
        if page is None:
            raise _nothing(methods)
        scope["state"][ROUTE] = page.path
        if page.is_write:
            self._require_ours(request)
        found = await self._sessions.of(request.headers)
        if found is None and self._services.ring is not None:
            return _to_login(request, shows=request.path if "GET" in methods else "/")
        caller = self._caller(request, found)
        self._slow_down(caller.holder.key_id)
        self._permit(page, caller)
        form = await self._form(request, receive) if page.is_write else {}
        if found is not None and "poll" not in request.query:
            await self._sessions.used(found, request.origin)
        once = once_of(request.path, form, key_id=caller.holder.key_id)
        ask = Asked(caller=caller, once=once, services=self._services)
        last = request.headers.get(b"last-event-id")
        return await page.handler(
            Visit(
                ask=ask,
                path=request.path,
                host=request.headers.get(b"host", b"").decode("latin-1"),
                query=request.query,
                names=names,
                form=form,
                fragment=request.fragment,
                head_only=scope["method"] == "HEAD",
                token=found.bearer.removeprefix(BEARER) if found is not None else None,
                last_event_id=last.decode("latin-1") if last else None,
                tail=self._tail,
                render=self._templates.render,
                sessions=self._sessions,
                parts=self._parts,
            )
        )

    def _request(self, scope: Scope, number: str) -> Request:
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers and name in _ONCE:
                raise ApiRefused(400, f"The header {name.decode()} stands there twice.")
            headers[name] = value
        client = self._entrance.proxies.caller(scope)
        client.require_readable()
        raw: bytes = scope["raw_path"]
        path = raw.decode("latin-1")
        query: bytes = scope["query_string"]
        return Request(
            method="GET" if scope["method"] == "HEAD" else scope["method"],
            path=path,
            target=path + ("?" + query.decode("latin-1") if query else ""),
            query=_fields(query),
            headers=headers,
            source=client.source,
            tls_version=client.tls.version,
            number=number,
        )

    async def _door(self, request: Request, receive: Receive) -> Answer:
        """Log in and out: open to everybody, so it looks after itself."""
        if request.method == "GET" and request.path == login.LOGIN:
            text = self._templates.render(
                "login.html", next=login.place(request.query), ended=login.ended(request.query)
            )
            return html(text)
        if request.method != "POST":
            raise ApiRefused(405, "This path does not take this method.")
        self._require_ours(request)
        if request.path == login.LOGOUT:
            found = await self._sessions.of(request.headers)
            if found is None:
                return see(login.LOGIN)
            return see(login.LOGIN, [await self._sessions.close(found, request.origin)])
        self._slow_down(request.source)
        form = await self._form(request, receive)
        holder = login.holder_of(form, self._services.ring)
        if isinstance(holder, login.Refused):
            actor = f"key:{holder.name}" if holder.name else f"api-client:{request.source}"
            self._note(AuditAction.LOGIN_FAILED, actor, request, {"reason": holder.reason})
            text = self._templates.render("login.html", next=login.place(form), refused=True)
            return html(text, status=401)
        cookie = await self._sessions.open(
            holder, form.get("key", "").strip(), request.headers, request.origin
        )
        return see(login.place(form), [cookie])

    def _caller(self, request: Request, found: LoggedIn | None) -> Caller:
        return Caller(
            holder=found.holder if found is not None else EVERYBODY,
            bearer=found.bearer if found is not None else "",
            source=request.source,
            request_id=request.number,
            tls_version=request.tls_version,
        )

    def _require_ours(self, request: Request) -> None:
        if is_ours(request.headers, self._public_url):
            return
        given = request.headers.get(b"origin", b"(none)").decode("latin-1")[:200]
        self._note(
            AuditAction.API_REFUSED,
            f"api-client:{request.source}",
            request,
            {"reason": "origin", "origin": given},
        )
        raise ApiRefused(
            403,
            "This was not sent by a page of this server.",
            error="origin",
            rule="Only pages of this server may change anything here.",
            remedy="Open the page anew from this server's own address, and try again.",
        )

    def _slow_down(self, name: str) -> None:
        wait = self._entrance.rate.wait_s(name)
        if wait:
            raise ApiRefused(
                429,
                "Too many requests.",
                remedy=f"Try again in {wait} seconds.",
                headers=((b"Retry-After", b"%d" % wait),),
            )

    def _permit(self, page: Page, caller: Caller) -> None:
        holder = caller.holder
        if not holder.role.covers(page.role):
            self._note_forbidden(page, caller, "role")
            raise ApiRefused(
                403,
                f"{page.role.value.capitalize()} access required.",
                error="forbidden",
                rule=f"The key {holder.name} has the role {holder.role.value}.",
                remedy=f"Log in with a key that has the role {page.role.value}.",
            )
        if page.whole and not holder.visible.everything:
            self._note_forbidden(page, caller, "scope")
            raise ApiRefused(
                403,
                "This is only for keys that are held to no tenant or profile.",
                error="forbidden",
                rule=f"The key {holder.name} is.",
            )

    def _note_forbidden(self, page: Page, caller: Caller, reason: str) -> None:
        details = {"reason": reason, "wanted": page.role.value, "got": caller.holder.role.value}
        self._record(
            AuditAction.API_REFUSED,
            caller.actor,
            (caller.source, caller.request_id),
            details,
            f"{page.method} {page.path}",
        )

    def _note(
        self, action: AuditAction, actor: str, request: Request, details: Mapping[str, str]
    ) -> None:
        self._record(
            action,
            actor,
            (request.source, request.number),
            details,
            f"{request.method} {request.path}",
        )

    def _record(
        self,
        action: AuditAction,
        actor: str,
        where: tuple[str, str],
        details: Mapping[str, str],
        resource: str,
    ) -> None:
        """Put a refusal on record; floods of the same are folded."""
        source, number = where
        event = AuditEvent(
            time_us=self._entrance.clock(),
            actor=actor,
            actor_type=actor.partition(":")[0],
            action=action,
            outcome=Outcome.FAILURE,
            profile="",
            resource_type="page",
            resource_id=resource[:200],
            source_address=source,
            request_id=number,
            details=dict(details),
        )
        if self._entrance.folder.add(event, None):
            self._log.info("page_refused", actor=actor, source=source, request_id=number, **details)

    async def _form(self, request: Request, receive: Receive) -> Mapping[str, str]:
        kind = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            if len(body) > self._entrance.max_body:
                raise ApiRefused(413, "The form is too long.")
            if not message.get("more_body"):
                break
        if body and kind != _FORM:
            raise ApiRefused(415, "The body is no form of ours.")
        return _fields(bytes(body))

    def _refusal(self, refused: ApiRefused, number: str) -> Answer:
        text = self._templates.render("refused.html", refused=refused, number=number)
        return html(text, status=refused.status, headers=tuple(refused.headers))


def _fields(encoded: bytes) -> Mapping[str, str]:
    """Fields of a form or query; of one that stands twice the last counts."""
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as err:
        raise ApiRefused(400, "The form or the address cannot be read.") from err
    return dict(pairs)


def _nothing(methods: Mapping[str, Page]) -> ApiRefused:
    if methods:
        return ApiRefused(405, "This page does not take this method.")
    return ApiRefused(404, "There is no such page.", remedy="Check the address, or go to Overview.")


def _to_login(request: Request, shows: str) -> Answer:
    """Nobody is logged in, or no longer. ``shows`` is the page of a form that was sent."""
    if b"text/event-stream" in request.headers.get(b"accept", b""):
        return Answer(status=401)
    wanted = request.target if request.method == "GET" else shows
    if request.fragment:
        # The part belongs to a page, and htmx tells which.
        wanted = login.path_of(request.headers.get(b"hx-current-url", b""))
    where = login.address(
        wanted,
        ended=has_cookie(request.headers),
        undone=request.method != "GET",
    )
    if request.fragment:
        # htmx takes the whole page there.
        return Answer(status=401, headers=((b"HX-Redirect", where.encode()),))
    return see(where)


def _dressed(answer: Answer, number: str) -> Answer:
    given = {name.lower() for name, _ in answer.headers}
    own = ((b"X-Request-Id", number.encode()), *SAFE_HEADERS)
    extra = tuple(each for each in own if each[0].lower() not in given)
    return Answer(
        status=answer.status,
        headers=(*answer.headers, *extra),
        body=answer.body,
        close=answer.status == 413,  # what is left of a body is no next request
    )


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [each for each in SAFE_HEADERS if each[0].lower() not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
