"""Which sources have tried wrong passwords (est §3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.lockout import Lockout
from certctl.store.driver import fetch
from certctl.store.statement import chunks, ours, positional
from certctl.store.tables import lockouts

MOST_LOCKED = 10_000
"""How many locked-out sources a worker keeps in mind; the authority knows the others."""

_c = lockouts.c


def of_source(connection: Connection, source: str) -> Lockout | None:
    """One source's row; None without failures."""
    rows = fetch(connection, _one(connection.dialect), (source,))
    return _lockout(rows[0]) if rows else None


def locked(connection: Connection, failures: int) -> dict[str, Lockout]:
    """Rows with so many failures or more, the newest, by source."""
    clause = (
        select(_c.source, _c.failures, _c.window_began_us)
        .where(_c.failures >= failures)
        .order_by(_c.window_began_us.desc())
        .limit(MOST_LOCKED)
    )
    return {row[0]: _lockout(row) for row in connection.execute(clause).fetchall()}


def ours_by_source(connection: Connection, sources: Collection[str]) -> Mapping[str, Lockout]:
    """Rows by source, ours from now on; sources without a row are left out."""
    found: dict[str, Lockout] = {}
    for some in chunks(sorted(sources)):
        rows = fetch(connection, _rows(connection.dialect, len(some)), some)
        found.update((row[0], _lockout(row)) for row in rows)
    return found


def _lockout(row: Sequence[Any]) -> Lockout:
    return Lockout(source=row[0], failures=row[1], window_began_us=row[2])


@lru_cache(maxsize=8)
def _one(dialect: Dialect) -> str:
    clause = select(_c.source, _c.failures, _c.window_began_us).where(
        _c.source == bindparam("source")
    )
    return positional(clause, dialect, ("source",))


@lru_cache(maxsize=64)
def _rows(dialect: Dialect, size: int) -> str:
    names = [f"source_{n}" for n in range(size)]
    clause = (
        select(_c.source, _c.failures, _c.window_began_us)
        .where(_c.source.in_([bindparam(name) for name in names]))
        .order_by(_c.source)
    )
    return positional(ours(clause), dialect, names)
