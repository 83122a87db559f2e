"""Remove rows that answer nothing any more. Certificates and audit events: ``retention``."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.engine import Connection

from certctl.store.statement import nobodys
from certctl.store.tables import repetitions


def purge_expired(connection: Connection, now_us: int, most: int) -> int:
    """Remove expired repetition keys, at most ``most``; gives their number."""
    expired = (
        connection.execute(
            # Locked, for another node may be about to renew one of them.
            nobodys(select(repetitions.c.key).where(repetitions.c.expires_us <= now_us).limit(most))
        )
        .scalars()
        .all()
    )
    if expired:
        connection.execute(delete(repetitions).where(repetitions.c.key.in_(expired)))
    return len(expired)
