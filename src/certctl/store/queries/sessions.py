"""Find a session of the web pages."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.sessions import Session
from certctl.store.tables import sessions


def session(connection: Connection, digest: bytes) -> Session | None:
    clause = select(
        sessions.c.digest, sessions.c.key_id, sessions.c.opened_us, sessions.c.expires_us
    ).where(sessions.c.digest == digest)
    row = connection.execute(clause).fetchone()
    if row is None:
        return None
    return Session(digest=row[0], key_id=row[1], opened_us=row[2], expires_us=row[3])
