"""Keep the keys of "the same request again" (policy §5).

The unique key decides, not a look-up before it: two writers cannot both win. A row that
is there already is locked before it is judged by a statement of its own: on PostgreSQL a
statement that waited for another node still sees the certificates as they were before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.ports import DuplicateKey
from certctl.store.driver import run_each
from certctl.store.statement import ours, positional
from certctl.store.tables import repetitions

_c = repetitions.c


def record_repetitions(
    connection: Connection, rows: Sequence[tuple[bytes, str, int]], now_us: int
) -> None:
    """Keep (key, certificate id, expires_us); an expired or void row is replaced.

    Raises:
        DuplicateKey: an unexpired row with a valid certificate holds one of the keys.
    """
    if not rows:
        return
    ordered = sorted(rows)
    kept = run_each(connection, _keep(connection.dialect), ordered)
    if kept == len(ordered):
        return
    for key, certificate_id, expires_us in ordered:
        held = connection.execute(
            ours(select(_c.certificate_id).where(_c.key == key).order_by(_c.key))
        ).scalar()
        if held == certificate_id:
            continue
        kept += connection.execute(
            _REPLACE,
            {
                "key": key,
                "certificate_id": certificate_id,
                "expires_us": expires_us,
                "now_us": now_us,
            },
        ).rowcount
    # A row that holds is left alone by the WHERE, and then nothing is counted for it.
    if kept != len(ordered):
        raise DuplicateKey("repetitions.key")


_REPLACE: Final = text(
    """
UPDATE repetitions SET certificate_id = :certificate_id, expires_us = :expires_us
WHERE key = :key AND (
    expires_us <= :now_us
    OR NOT EXISTS (
        SELECT 1 FROM certificates
        WHERE certificates.id = repetitions.certificate_id
        AND certificates.status = 'valid' AND certificates.not_after_us > :now_us
    )
)"""
)


@lru_cache(maxsize=8)
def _keep(dialect: Dialect) -> str:
    return positional(
        text(
            """
INSERT INTO repetitions (key, certificate_id, expires_us)
VALUES (:key, :certificate_id, :expires_us)
ON CONFLICT (key) DO NOTHING"""
        ),
        dialect,
        ("key", "certificate_id", "expires_us"),
    )
