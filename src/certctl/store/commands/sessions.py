"""Keep, extend and end sessions of the web pages."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from certctl.domain.sessions import Session
from certctl.store.tables import sessions

_s = sessions.c


def record_session(connection: Connection, session: Session) -> None:
    connection.execute(
        insert(sessions),
        {
            "digest": session.digest,
            "key_id": session.key_id,
            "opened_us": session.opened_us,
            "expires_us": session.expires_us,
        },
    )


def extend_session(connection: Connection, digest: bytes, expires_us: int) -> None:
    connection.execute(update(sessions).where(_s.digest == digest).values(expires_us=expires_us))


def end_session(connection: Connection, digest: bytes) -> None:
    connection.execute(delete(sessions).where(_s.digest == digest))


def forget_sessions(connection: Connection, before_us: int, most: int) -> None:
    """Drop sessions that ended by this time, at most ``most``, the oldest first."""
    clause = select(_s.digest).where(_s.expires_us <= before_us).order_by(_s.expires_us).limit(most)
    ended = connection.execute(clause).scalars().all()
    if ended:
        connection.execute(delete(sessions).where(_s.digest.in_(ended)))
