"""Keep the keys of "the same request again" (policy §5).

The unique key decides, not a look-up before it: two writers cannot both win.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.ports import DuplicateKey
from certctl.store.statement import positional


def record_repetitions(
    connection: Connection, rows: Sequence[tuple[bytes, str, int]], now_us: int
) -> None:
    """Keep (key, certificate id, expires_us); an expired or void row is replaced.

    Raises:
        DuplicateKey: an unexpired row with a valid certificate holds one of the keys.
    """
    if not rows:
        return
    written = connection.exec_driver_sql(
        _keep(connection.dialect), [(*row, now_us, now_us) for row in rows]
    )
    # A row that holds is left alone by the WHERE, and then nothing is counted for it.
    if written.rowcount != len(rows):
        raise DuplicateKey("repetitions.key")


@lru_cache(maxsize=8)
def _keep(dialect: Dialect) -> str:
    return positional(
        text(
            """
INSERT INTO repetitions (key, certificate_id, expires_us)
VALUES (:key, :certificate_id, :expires_us)
ON CONFLICT (key) DO UPDATE
SET certificate_id = excluded.certificate_id, expires_us = excluded.expires_us
WHERE repetitions.expires_us <= :now_us
OR NOT EXISTS (
    SELECT 1 FROM certificates
    WHERE certificates.id = repetitions.certificate_id
    AND certificates.status = 'valid' AND certificates.not_after_us > :now_us
)"""
        ),
        dialect,
        ("key", "certificate_id", "expires_us", "now_us", "now_us"),
    )
