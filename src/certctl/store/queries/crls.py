"""Read the newest CRL of an issuer and its octets (records §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.crl import CrlHead, CrlRecord, CrlSeal
from certctl.store.tables import crl_parts, crls

_p = crl_parts.c


def crl(connection: Connection, scope: str) -> CrlRecord | None:
    rows = connection.execute(select(crls).where(crls.c.scope == scope)).fetchall()
    if not rows:
        return None
    row = rows[0]
    return CrlRecord(
        scope=row[0],
        number=row[1],
        before=row[2],
        this_update_us=row[3],
        next_update_us=row[4],
        scheduled_us=row[5],
        listed_us=row[6],
        stamp=row[7],
        seal=CrlSeal(front=row[8], back=row[9]),
        parts=row[10],
        size=row[11],
        digest=row[12],
    )


def heads(connection: Connection) -> Mapping[str, CrlHead]:
    """Of every scope."""
    c = crls.c
    clause = select(c.scope, c.number, c.digest, c.this_update_us, c.next_update_us, c.size)
    return {
        row[0]: CrlHead(
            number=row[1],
            digest=row[2],
            this_update_us=row[3],
            next_update_us=row[4],
            size=row[5],
        )
        for row in connection.execute(clause).fetchall()
    }


def part(connection: Connection, scope: str, number: int, part: int) -> bytes | None:
    """Octets of one piece; None where it is not there."""
    clause = select(_p.octets).where(_p.scope == scope, _p.number == number, _p.part == part)
    rows = connection.execute(clause).fetchall()
    return rows[0][0] if rows else None


def first_parts(connection: Connection, scope: str, number: int, parts: int) -> Sequence[bytes]:
    """The pieces below that one, in order."""
    clause = (
        select(_p.octets)
        .where(_p.scope == scope, _p.number == number, _p.part < parts)
        .order_by(_p.part)
    )
    return [row[0] for row in connection.execute(clause).fetchall()]
