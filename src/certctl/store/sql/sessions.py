"""Sessions of the web pages."""

from __future__ import annotations

from certctl.domain.sessions import Session
from certctl.store.commands import sessions
from certctl.store.queries import sessions as queries
from certctl.store.sql.base import Reads, Writes


class SessionReads(Reads):
    """``ports.reads.SessionReads``."""

    def session(self, digest: bytes) -> Session | None:
        return self._ask(queries.session, digest)


class SessionWrites(Writes):
    """``ports.writes.SessionWrites``."""

    __slots__ = ()

    def session(self, digest: bytes) -> Session | None:
        return self._run(queries.session, digest)

    def record_session(self, session: Session) -> None:
        self._run(sessions.record_session, session)

    def extend_session(self, digest: bytes, expires_us: int) -> None:
        self._run(sessions.extend_session, digest, expires_us)

    def end_session(self, digest: bytes) -> None:
        self._run(sessions.end_session, digest)

    def forget_sessions(self, before_us: int, most: int) -> None:
        self._run(sessions.forget_sessions, before_us, most)
