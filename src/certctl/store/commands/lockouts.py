"""Keep, clear and bound the failed passwords of sources (est §3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.lockout import Lockout
from certctl.store.driver import run_each
from certctl.store.statement import nobodys, positional
from certctl.store.tables import lockouts

_c = lockouts.c


def record_lockouts(connection: Connection, rows: Sequence[Lockout]) -> None:
    """Write these rows, each in place of its source's former one."""
    if rows:
        run_each(
            connection,
            _keep(connection.dialect),
            sorted((row.source, row.failures, row.window_began_us) for row in rows),
        )


def clear_lockouts(connection: Connection, sources: Collection[str]) -> None:
    """Forget the failures of these sources."""
    if sources:
        run_each(connection, _clear(connection.dialect), [(each,) for each in sources])


def bound_lockouts(connection: Connection, over_us: int, most: int) -> None:
    """Forget windows that began at ``over_us`` or before, then the oldest above ``most``."""
    over = select(_c.source).where(_c.window_began_us <= over_us)
    older = select(_c.source).order_by(_c.window_began_us.desc(), _c.source).offset(most)
    for clause in (over, older):
        connection.execute(delete(lockouts).where(_c.source.in_(nobodys(clause))))


@lru_cache(maxsize=8)
def _keep(dialect: Dialect) -> str:
    return positional(
        text(
            """
INSERT INTO lockouts (source, failures, window_began_us)
VALUES (:source, :failures, :window_began_us)
ON CONFLICT (source) DO UPDATE
SET failures = excluded.failures, window_began_us = excluded.window_began_us"""
        ),
        dialect,
        ("source", "failures", "window_began_us"),
    )


@lru_cache(maxsize=8)
def _clear(dialect: Dialect) -> str:
    clause = delete(lockouts).where(_c.source == bindparam("source"))
    return positional(clause, dialect, ("source",))
