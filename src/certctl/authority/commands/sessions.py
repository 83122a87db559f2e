"""Commands about sessions of the web pages, as a worker sends them (operator §2)."""

from __future__ import annotations

import msgspec


class OpenSession(msgspec.Struct, frozen=True, kw_only=True, tag="open_session"):
    """Somebody logged in with an API key. Answer: ``SessionDone``.

    ``replaced`` is the digest of a session that the same browser had; it ends.
    """

    digest: bytes
    key_id: str
    actor: str
    idle_us: int
    tenant: str | None = None
    replaced: bytes | None = None


class ExtendSession(msgspec.Struct, frozen=True, kw_only=True, tag="extend_session"):
    """A session was used. Answer: ``SessionDone``."""

    digest: bytes
    actor: str
    idle_us: int


class CloseSession(msgspec.Struct, frozen=True, kw_only=True, tag="close_session"):
    """Somebody logged out. Answer: ``SessionDone``."""

    digest: bytes
    actor: str
    tenant: str | None = None


class SessionDone(msgspec.Struct, frozen=True, tag="session"):
    """When the session ends if nobody uses it."""

    expires_us: int


SessionCommand = OpenSession | ExtendSession | CloseSession
