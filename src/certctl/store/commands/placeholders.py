"""Rows that stand for "nothing counted yet", so that two nodes can meet on their lock.

A row that is not there cannot be locked. On PostgreSQL a transaction that is going to
count puts an empty row where there is none, and takes it away again at its end if
nothing was counted. SQLite has one writer and needs none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import delete, text
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.ports import Contended
from certctl.store.queries.limits import hits_of_ours
from certctl.store.queries.lockouts import ours_by_source
from certctl.store.statement import positional
from certctl.store.tables import limits, lockouts

# Between our finding a row and our locking it another node may remove it; hardly twice.
_TRIES: Final = 5

K = TypeVar("K", bytes, str)
V = TypeVar("V")


@dataclass(slots=True)
class Held:
    """Whom a transaction holds; some of the rows may be empty ones of its own."""

    limits: set[bytes] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)


def hold_limits(
    connection: Connection, keys: Collection[bytes], held: Held
) -> Mapping[bytes, tuple[int, ...]]:
    """Times by key; until the transaction ends nobody else counts for these."""
    if connection.dialect.name != "postgresql":
        return hits_of_ours(connection, keys)
    held.limits.update(keys)
    rows = _held(connection, keys, _empty_limit(connection.dialect), hits_of_ours)
    return {key: times for key, times in rows.items() if times}


def hold_sources(connection: Connection, sources: Collection[str], held: Held) -> None:
    """Until the transaction ends nobody else counts for these sources."""
    if connection.dialect.name == "postgresql":
        held.sources.update(sources)
        _held(connection, sources, _empty_lockout(connection.dialect), ours_by_source)


def drop_placeholders(connection: Connection, held: Held) -> None:
    """Before the commit: empty rows are nobody's business after it."""
    if held.limits:
        empty = limits.c.key.in_(sorted(held.limits)), limits.c.newest_us == 0
        connection.execute(delete(limits).where(*empty))
    if held.sources:
        idle = lockouts.c.source.in_(sorted(held.sources)), lockouts.c.failures == 0
        connection.execute(delete(lockouts).where(*idle))


def _held(
    connection: Connection,
    keys: Collection[K],
    empty: str,
    read: Callable[[Connection, Collection[K]], Mapping[K, V]],
) -> Mapping[K, V]:
    wanted = sorted(set(keys))
    rows: list[tuple[Any, ...]] = [(key,) for key in wanted]
    for _ in range(_TRIES):
        connection.exec_driver_sql(empty, rows)
        found = read(connection, wanted)
        if len(found) == len(wanted):
            return found
    raise Contended("rows that others keep removing")


@lru_cache(maxsize=8)
def _empty_limit(dialect: Dialect) -> str:
    return positional(
        text(
            "INSERT INTO limits (key, hits, newest_us) VALUES (:key, '', 0)"
            " ON CONFLICT (key) DO NOTHING"
        ),
        dialect,
        ("key",),
    )


@lru_cache(maxsize=8)
def _empty_lockout(dialect: Dialect) -> str:
    return positional(
        text(
            "INSERT INTO lockouts (source, failures, window_began_us) VALUES (:source, 0, 0)"
            " ON CONFLICT (source) DO NOTHING"
        ),
        dialect,
        ("source",),
    )
