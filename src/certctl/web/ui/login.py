"""Logging in with an API key, and out (operator §2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from certctl.domain.key_holders import EVERYBODY, Holder, KeyRefused
from certctl.web.api.callers import KeyRing
from certctl.web.api.guard import MAX_TOKEN
from certctl.web.ui.paths import is_page

LOGIN = "/login"
LOGOUT = "/logout"
PATHS = (LOGIN, LOGOUT)

_PLACE = re.compile(r"/(?![/\\])[A-Za-z0-9/._~?&=%+:*-]{0,1000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A key that opens nothing; ``name`` is for the record, not for the page."""

    reason: str
    name: str = ""


def holder_of(form: Mapping[str, str], ring: KeyRing | None) -> Holder | Refused:
    """Whose key the form holds.

    Raises:
        StoreUnavailable: that cannot be told now.
    """
    if ring is None:
        return EVERYBODY
    token = form.get("key", "").strip()
    if not token or len(token) > MAX_TOKEN:
        return Refused(reason="unknown")
    try:
        return ring.holder(token)
    except KeyRefused as refused:
        return Refused(reason=refused.reason, name=refused.name)


def place(fields: Mapping[str, str]) -> str:
    """Where to go after logging in: a page of ours, whatever was asked for."""
    wanted = fields.get("next", "/")
    path = wanted.partition("?")[0]
    if _PLACE.fullmatch(wanted) is None or path in PATHS or not is_page(path.encode()):
        return "/"
    return wanted


def address(wanted: str, *, ended: bool, undone: bool) -> str:
    """Of the log-in page, for somebody on the way to ``wanted``.

    ``ended``: there was a session; ``undone``: something was to be changed, and was not.
    """
    why = "undone" if undone and ended else "ended" if ended else ""
    return f"{LOGIN}?next={quote(wanted, safe='/')}" + (f"&why={why}" if why else "")


def ended(fields: Mapping[str, str]) -> str:
    """``ended`` or ``undone``, or nothing."""
    why = fields.get("why", "")
    return why if why in ("ended", "undone") else ""


def path_of(url: bytes) -> str:
    """Path and query of the page on which a browser is, by its own word."""
    try:
        parts = urlsplit(url.decode("ascii"))
    except ValueError:
        return "/"
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
