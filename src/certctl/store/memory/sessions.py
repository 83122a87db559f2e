"""Sessions of the web pages."""

from __future__ import annotations

from dataclasses import replace

from certctl.domain.ports import DuplicateKey
from certctl.domain.sessions import Session
from certctl.store.errors import CommandRefused
from certctl.store.memory.base import DIGEST_OCTETS, Reads, Writes


class SessionReads(Reads):
    """``ports.reads.SessionReads``."""

    def session(self, digest: bytes) -> Session | None:
        return self._now().sessions.get(digest)


class SessionWrites(Writes):
    """``ports.writes.SessionWrites``."""

    def session(self, digest: bytes) -> Session | None:
        return self._open().sessions.get(digest)

    def record_session(self, session: Session) -> None:
        if len(session.digest) != DIGEST_OCTETS:
            raise self._failed(CommandRefused("sessions.digest"))
        if session.digest in self._open().sessions:
            raise self._failed(DuplicateKey(session.digest.hex()))
        self._open().sessions[session.digest] = session

    def extend_session(self, digest: bytes, expires_us: int) -> None:
        rows = self._open().sessions
        if digest in rows:
            rows[digest] = replace(rows[digest], expires_us=expires_us)

    def end_session(self, digest: bytes) -> None:
        self._open().sessions.pop(digest, None)

    def forget_sessions(self, before_us: int, most: int) -> None:
        rows = self._open().sessions
        ended = [each for each in rows.values() if each.expires_us <= before_us]
        for each in sorted(ended, key=lambda each: each.expires_us)[:most]:
            del rows[each.digest]
