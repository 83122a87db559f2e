"""What the limit per principal has counted (policy §5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection, Dialect

from certctl.store.driver import fetch
from certctl.store.rows import unpacked_times
from certctl.store.statement import chunks, ours, positional
from certctl.store.tables import limits


def hits(connection: Connection, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
    """Times by key, oldest first, as they are now; others are left out."""
    return _found(connection, keys, hold=False)


def hits_of_ours(
    connection: Connection, keys: Collection[bytes]
) -> Mapping[bytes, tuple[int, ...]]:
    """Times by key, oldest first, in rows that are ours from now on; others are left out."""
    return _found(connection, keys, hold=True)


def _found(
    connection: Connection, keys: Collection[bytes], *, hold: bool
) -> Mapping[bytes, tuple[int, ...]]:
    found: dict[bytes, tuple[int, ...]] = {}
    for piece in chunks(sorted(keys)):
        rows = fetch(connection, _hits(connection.dialect, len(piece), hold=hold), piece)
        found.update((row[0], unpacked_times(row[1])) for row in rows)
    return found


@lru_cache(maxsize=64)
def _hits(dialect: Dialect, size: int, *, hold: bool) -> str:
    names = [f"key_{n}" for n in range(size)]
    clause = (
        select(limits.c.key, limits.c.hits)
        .where(limits.c.key.in_([bindparam(name) for name in names]))
        .order_by(limits.c.key)
    )
    return positional(ours(clause) if hold else clause, dialect, names)
