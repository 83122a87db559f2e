"""Who is logged in: a cookie becomes a session, and the session its key's holder.

The cookie's name begins with ``__Host-``, so a browser takes it only over TLS, for this
host and every path of it, and no other host can set it (RFC 6265bis §4.1.3). Strict: no
request that another site begins carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from certctl.authority.session_commands import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionDone,
)
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import NotFound, Unavailable
from certctl.domain.kept_answer import Origin
from certctl.domain.sessions import TOKEN_OCTETS, Session, token_digest, token_text
from certctl.web.api.callers import Holder, KeyRefused
from certctl.web.api.services import Services

COOKIE = "__Host-certctl"
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"

# A click extends a session at most so often: each is a write of the authority's.
_EXTENDED_EVERY_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A session that is usable now, and whose key it is of."""

    session: Session
    holder: Holder


class Sessions:
    """Sessions of the web pages, seen from a worker."""

    def __init__(self, services: Services, *, idle_us: int) -> None:
        self._services = services
        self._idle_us = idle_us

    async def of(self, headers: Mapping[bytes, bytes]) -> LoggedIn | None:
        """Who sent this cookie; None: nobody who is logged in.

        Raises:
            Unavailable: that cannot be told now.
        """
        digest = _digest(headers)
        return await self.by_digest(digest) if digest is not None else None

    async def by_digest(self, digest: bytes) -> LoggedIn | None:
        ring = self._services.ring
        session = await self._services.read(lambda records: records.session(digest))
        if ring is None or session is None or not session.usable(self._services.clock()):
            return None
        try:
            return LoggedIn(session=session, holder=ring.by_id(session.key_id))
        except KeyRefused:
            return None

    async def open(
        self, holder: Holder, headers: Mapping[bytes, bytes], origin: Origin
    ) -> tuple[bytes, bytes]:
        """Log in: always a new token, whatever cookie was sent; the header that sets it.

        Raises:
            Failure: the authority is away.
        """
        token = token_text(self._services.random(TOKEN_OCTETS))
        digest = token_digest(token)
        if digest is None:
            raise AssertionError("a token of ours has another form")
        command = OpenSession(
            digest=digest,
            key_id=holder.key_id,
            actor=f"key:{holder.name}",
            idle_us=self._idle_us,
            tenant=holder.visible.tenant,
            replaced=_digest(headers),
        )
        await self._services.execute(command, origin=origin)
        return b"Set-Cookie", f"{COOKIE}={token}; {_ATTRIBUTES}".encode()

    async def used(self, session: Session, origin: Origin) -> None:
        """Move the end of a session that somebody uses; one that cannot be moved ends sooner."""
        last_us = session.expires_us - self._idle_us
        if self._services.clock() - last_us < min(_EXTENDED_EVERY_US, self._idle_us // 4):
            return
        try:
            command = ExtendSession(digest=session.digest, idle_us=self._idle_us)
            done = await self._services.execute(command, origin=origin)
        except (Unavailable, NotFound):
            return
        if not isinstance(done, SessionDone):
            raise TypeError(done)

    async def close(self, found: LoggedIn, origin: Origin) -> tuple[bytes, bytes]:
        """Log out; the header that removes the cookie.

        Raises:
            Failure: the authority is away.
        """
        command = CloseSession(
            digest=found.session.digest,
            actor=f"key:{found.holder.name}",
            tenant=found.holder.visible.tenant,
        )
        await self._services.execute(command, origin=origin)
        return b"Set-Cookie", f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}".encode()


def _digest(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The digest of the token in a Cookie header; two of our cookies are none."""
    found = []
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            found.append(value)
    return token_digest(found[0]) if len(found) == 1 else None
