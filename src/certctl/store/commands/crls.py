"""Keep CRLs: their octets in pieces, and which one is an issuer's newest (records §4)."""

from __future__ import annotations

from sqlalchemy import delete, select, text
from sqlalchemy.engine import Connection

from certctl.domain.crl import CrlRecord
from certctl.domain.ports import DuplicateKey
from certctl.store.tables import crl_parts

_p = crl_parts.c


def put_part(connection: Connection, scope: str, number: int, part: int, octets: bytes) -> None:
    """Write one piece, whether there was one or not."""
    connection.execute(
        text(
            """
INSERT INTO crl_parts (scope, number, part, octets)
VALUES (:scope, :number, :part, :octets)
ON CONFLICT (scope, number, part) DO UPDATE SET octets = excluded.octets"""
        ),
        {"scope": scope, "number": number, "part": part, "octets": octets},
    )


def publish(connection: Connection, crl: CrlRecord) -> None:
    """Write an issuer's row, but never one of a lower or the same number.

    Raises:
        DuplicateKey: another node was first.
    """
    written = connection.execute(
        text(
            """
INSERT INTO crls (scope, number, before, this_update_us, next_update_us, scheduled_us, listed_us,
    stamp, front, back, parts, size, digest)
VALUES (:scope, :number, :before, :this_update_us, :next_update_us, :scheduled_us, :listed_us,
    :stamp, :front, :back, :parts, :size, :digest)
ON CONFLICT (scope) DO UPDATE
SET number = excluded.number, before = excluded.before,
    this_update_us = excluded.this_update_us,
    next_update_us = excluded.next_update_us, scheduled_us = excluded.scheduled_us,
    listed_us = excluded.listed_us, stamp = excluded.stamp, front = excluded.front,
    back = excluded.back, parts = excluded.parts, size = excluded.size, digest = excluded.digest
WHERE crls.number < excluded.number"""
        ),
        {
            "scope": crl.scope,
            "number": crl.number,
            "before": crl.before,
            "this_update_us": crl.this_update_us,
            "next_update_us": crl.next_update_us,
            "scheduled_us": crl.scheduled_us,
            "listed_us": crl.listed_us,
            "stamp": crl.stamp,
            "front": crl.seal.front,
            "back": crl.seal.back,
            "parts": crl.parts,
            "size": crl.size,
            "digest": crl.digest,
        },
    )
    if written.rowcount != 1:
        raise DuplicateKey(f"CRL {crl.number} of {crl.scope}")


def drop_parts(connection: Connection, scope: str, below: int, most: int) -> int:
    """Remove at most so many pieces of CRLs below a number; gives how many went."""
    old = connection.execute(
        select(_p.number, _p.part)
        .where(_p.scope == scope, _p.number < below)
        .order_by(_p.number, _p.part)
        .limit(most)
    ).fetchall()
    for number, part in old:
        connection.execute(
            delete(crl_parts).where(_p.scope == scope, _p.number == number, _p.part == part)
        )
    return len(old)
