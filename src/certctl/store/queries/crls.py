"""Read the newest CRL of an issuer and its octets (records §4)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.crl import CrlRecord, CrlSeal
from certctl.store.tables import crl_parts, crls

_p = crl_parts.c


def crl(connection: Connection, issuer_id: str) -> CrlRecord | None:
    rows = connection.execute(select(crls).where(crls.c.issuer_id == issuer_id)).fetchall()
    if not rows:
        return None
    row = rows[0]
    return CrlRecord(
        issuer_id=row[0],
        number=row[1],
        this_update_us=row[2],
        next_update_us=row[3],
        scheduled_us=row[4],
        listed_us=row[5],
        stamp=row[6],
        seal=CrlSeal(front=row[7], back=row[8]),
        parts=row[9],
        size=row[10],
        digest=row[11],
    )


def part(connection: Connection, issuer_id: str, number: int, part: int) -> bytes | None:
    """Octets of one piece; None where it is not there."""
    clause = select(_p.octets).where(
        _p.issuer_id == issuer_id, _p.number == number, _p.part == part
    )
    rows = connection.execute(clause).fetchall()
    return rows[0][0] if rows else None


def first_parts(connection: Connection, issuer_id: str, number: int, parts: int) -> Sequence[bytes]:
    """The pieces below that one, in order."""
    clause = (
        select(_p.octets)
        .where(_p.issuer_id == issuer_id, _p.number == number, _p.part < parts)
        .order_by(_p.part)
    )
    return [row[0] for row in connection.execute(clause).fetchall()]
