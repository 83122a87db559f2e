"""One row of the table of pages, and what a handler is given."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from certctl.domain.api_keys import Role
from certctl.domain.asgi import Receive, Send
from certctl.web.answers import Answer, Headers
from certctl.web.api.services import Asked, Services
from certctl.web.api.tail import Tail
from certctl.web.ui.session import Sessions


class Streaming(Protocol):
    """An answer without an end, which writes itself."""

    async def __call__(self, scope: Any, receive: Receive, send: Send, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a page, let in.

    Attributes:
        host: as the browser asked for it, with its port.
        query: parameters of the address, and ``form`` those of the body, one value each.
        names: what stands in the path where the page has a name.
        fragment: htmx asks, for a part of a page.
        head_only: HEAD: nobody reads a body, which a stream would never end.
        token: of the session; None where nobody has to log in.
        last_event_id: of a stream that goes on.
        parts: the parts of the server, and whether each is ready.
    """

    ask: Asked
    path: str
    host: str
    query: Mapping[str, str]
    names: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)
    fragment: bool = False
    head_only: bool = False
    token: str | None = field(default=None, repr=False)
    last_event_id: str | None = None
    tail: Tail
    render: Callable[..., str]
    sessions: Sessions
    parts: Callable[[], Mapping[str, bool]]

    @property
    def services(self) -> Services:
        return self.ask.services

    @property
    def role(self) -> Role:
        return self.ask.caller.holder.role

    def page(self, template: str, *, status: int = 200, **values: object) -> Answer:
        """A page made of a template, which sees the visit and these values."""
        text = self.render(template, visit=self, me=self.ask.caller.holder, **values)
        return html(text, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A method of a path.

    Attributes:
        path: with ``{names}``.
        role: what a session's key must at least have.
        whole: only for keys that see all tenants and profiles.
    """

    method: str
    path: str
    handler: Callable[[Visit], Awaitable[Answer | Streaming]]
    role: Role
    whole: bool = False

    @property
    def is_write(self) -> bool:
        return self.method == "POST"


class Pages:
    """Finds the page of a request."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Page]]] = {}
        for each in sorted(pages, key=lambda each: each.path.count("{")):
            text = re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9._~-]{1,128})", each.path)
            known = self._patterns.setdefault(each.path, (re.compile(text), {}))
            known[1][each.method] = each

    def find(self, path: str) -> tuple[Mapping[str, Page], Mapping[str, str]]:
        """What a path takes, by method, and the names in it; nothing where there is none."""
        for pattern, methods in self._patterns.values():
            found = pattern.fullmatch(path)
            if found is not None:
                return methods, found.groupdict()
        return {}, {}


def html(text: str, *, status: int = 200, headers: Headers = ()) -> Answer:
    kind = (b"Content-Type", b"text/html; charset=utf-8")
    body = text.encode("utf-8", "backslashreplace")
    return Answer(status=status, headers=(kind, *headers), body=body)


def see(place: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    """Go on to another page with GET; ``place`` is a path of ours."""
    return Answer(status=303, headers=((b"Location", place.encode("ascii")), *headers))
