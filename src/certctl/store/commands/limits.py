"""Count for the limit per principal (policy §5): one row for each, its times packed.

The table holds no more rows than certificates were issued under a limit within the last
window and a little more: each batch that counts also drops some that count no longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, delete, literal_column, select, text
from sqlalchemy.engine import Connection, Dialect

from certctl.store.driver import run_each
from certctl.store.rows import packed_times
from certctl.store.statement import nobodys, positional
from certctl.store.tables import limits


def record_hits(connection: Connection, hits: Mapping[bytes, Sequence[int]]) -> None:
    """Replace the times of each key; they are oldest first and at least one."""
    if hits:
        rows = [(key, packed_times(times), times[-1]) for key, times in sorted(hits.items())]
        run_each(connection, _record(connection.dialect), rows)


def forget(connection: Connection, before_us: int, most: int) -> None:
    """Drop at most ``most`` keys whose newest time is not after ``before_us``."""
    run_each(connection, _forget(connection.dialect), [(before_us, most)])


@lru_cache(maxsize=8)
def _record(dialect: Dialect) -> str:
    return positional(
        text(
            """
INSERT INTO limits (key, hits, newest_us) VALUES (:key, :hits, :newest_us)
ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, newest_us = excluded.newest_us"""
        ),
        dialect,
        ("key", "hits", "newest_us"),
    )


@lru_cache(maxsize=8)
def _forget(dialect: Dialect) -> str:
    c = limits.c
    old = (
        select(c.key)
        .where(c.newest_us <= bindparam("before_us"))
        .order_by(c.newest_us)
        .limit(bindparam("most"))
        # Said, or SQLite's compiler adds a parameter of its own for it.
        .offset(literal_column("0"))
    )
    clause = delete(limits).where(c.key.in_(nobodys(old).scalar_subquery()))
    return positional(clause, dialect, ("before_us", "most"))
