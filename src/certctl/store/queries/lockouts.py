"""Which sources have tried wrong passwords (est §3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.lockout import Lockout
from certctl.store.statement import chunks, positional
from certctl.store.tables import lockouts

_c = lockouts.c


def by_source(connection: Connection, sources: Collection[str]) -> Mapping[str, Lockout]:
    """Rows by source; sources without failures are left out."""
    found: dict[str, Lockout] = {}
    for some in chunks(sources):
        rows = connection.exec_driver_sql(_rows(connection.dialect, len(some)), tuple(some))
        for source, failures, began_us in rows.fetchall():
            found[source] = Lockout(source=source, failures=failures, window_began_us=began_us)
    return found


@lru_cache(maxsize=64)
def _rows(dialect: Dialect, size: int) -> str:
    names = [f"source_{n}" for n in range(size)]
    clause = select(_c.source, _c.failures, _c.window_began_us).where(
        _c.source.in_([bindparam(name) for name in names])
    )
    return positional(clause, dialect, names)
