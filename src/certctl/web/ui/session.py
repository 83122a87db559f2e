"""Who is logged in: a cookie becomes a session, and the session its key's holder.

The cookie's name begins with ``__Host-``, so a browser takes it only over TLS, for this
host and every path of it, and no other host can set it (RFC 6265bis §4.1.3). Strict: no
request that another site begins carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from certctl.authority.commands.sessions import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionDone,
)
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import CommandRefused, NotFound, Unavailable
from certctl.domain.kept_answer import Origin
from certctl.domain.key_holders import Holder, KeyRefused
from certctl.domain.sessions import BEARER, TOKEN_OCTETS, Session, token_digest, token_text
from certctl.web.api.services import Services

COOKIE = "__Host-certctl"
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"

# A click extends a session at most so often: each is a write of the authority's.
_EXTENDED_EVERY_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A session that is usable now, and whose key it is of.

    ``bearer`` stands for the key towards the authority, which judges it once more.
    """

    session: Session
    holder: Holder
    bearer: str = field(repr=False)


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
        return await self.by_token(_token(headers))

    async def by_token(self, token: str) -> LoggedIn | None:
        """The same by the cookie's value."""
        digest = token_digest(token)
        if digest is None:
            return None
        ring = self._services.ring
        session = await self._services.read(lambda records: records.session(digest))
        if ring is None or session is None or not session.usable(self._services.clock()):
            return None
        try:
            holder = ring.by_id(session.key_id)
        except KeyRefused:
            return None
        return LoggedIn(session=session, holder=holder, bearer=BEARER + token)

    async def open(
        self, holder: Holder, key: str, headers: Mapping[bytes, bytes], origin: Origin
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
            actor=holder.actor,
            idle_us=self._idle_us,
            tenant=holder.visible.tenant,
            replaced=token_digest(_token(headers)),
        )
        await self._services.execute(command, bearer=key, origin=origin)
        return b"Set-Cookie", f"{COOKIE}={token}; {_ATTRIBUTES}".encode()

    async def used(self, found: LoggedIn, origin: Origin) -> None:
        """Move the end of a session that somebody uses; one that cannot be moved ends sooner."""
        session = found.session
        last_us = session.expires_us - self._idle_us
        if self._services.clock() - last_us < min(_EXTENDED_EVERY_US, self._idle_us // 4):
            return
        try:
            command = ExtendSession(
                digest=session.digest, actor=found.holder.actor, idle_us=self._idle_us
            )
            done = await self._services.execute(command, bearer=found.bearer, origin=origin)
        except (Unavailable, NotFound, CommandRefused):
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
            actor=found.holder.actor,
            tenant=found.holder.visible.tenant,
        )
        await self._services.execute(command, bearer=found.bearer, origin=origin)
        return b"Set-Cookie", f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}".encode()


def has_cookie(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser thinks that it is logged in; a cookie of nobody is thrown away."""
    return bool(_token(headers))


def _token(headers: Mapping[bytes, bytes]) -> str:
    """The token in a Cookie header, or nothing; two of our cookies are none."""
    found = []
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            found.append(value)
    return found[0] if len(found) == 1 else ""
