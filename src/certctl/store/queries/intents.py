"""Calls of CAs outside: open, closed, overdue (records §2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.intent import Intent, IntentStatus
from certctl.store.intent_rows import intent_of
from certctl.store.statement import chunks, positional
from certctl.store.tables import intents as intent_table

_i = intent_table.c


def newest_by_key(connection: Connection, keys: Collection[bytes]) -> Mapping[bytes, Intent]:
    """The newest intent of each repetition key, whatever its status; absent ones left out."""
    found: dict[bytes, Intent] = {}
    for piece in chunks(keys):
        rows = connection.exec_driver_sql(_by_key(connection.dialect, len(piece)), tuple(piece))
        found.update((row[1], intent_of(row)) for row in rows.fetchall())
    return found


def intent(connection: Connection, intent_id: str) -> Intent | None:
    rows = connection.execute(select(intent_table).where(_i.id == intent_id)).fetchall()
    return intent_of(rows[0]) if rows else None


def page(
    connection: Connection, statuses: Collection[IntentStatus], after: str | None, limit: int
) -> Sequence[Intent]:
    """The next intents in order of id, at most ``limit``; no statuses: all of them."""
    clause = select(intent_table).order_by(_i.id).limit(limit)
    if statuses:
        clause = clause.where(_i.status.in_([each.value for each in statuses]))
    if after is not None:
        clause = clause.where(_i.id > after)
    return [intent_of(row) for row in connection.execute(clause).fetchall()]


def numbers(
    connection: Connection, statuses: Collection[IntentStatus]
) -> Mapping[IntentStatus, int]:
    """How many have each of these statuses, 0 included; reads an index only."""
    clause = (
        select(_i.status, func.count())
        .where(_i.status.in_([each.value for each in statuses]))
        .group_by(_i.status)
    )
    found = {str(row[0]): int(row[1]) for row in connection.execute(clause).fetchall()}
    return {each: found.get(each.value, 0) for each in statuses}


def overdue(connection: Connection, now_us: int, closed_after_us: int, most: int) -> list[Intent]:
    """Open ones whose deadline is over, then orphans of after ``closed_after_us`` that the
    CA was not told to revoke; oldest first, at most ``most``.
    """
    is_overdue = and_(_i.status == IntentStatus.OPEN.value, _i.deadline_us <= now_us)
    untold = and_(
        _i.status == IntentStatus.ORPHAN.value,
        _i.told_us.is_(None),
        _i.certificate_id.is_not(None),
        _i.closed_us > closed_after_us,
    )
    clause = (
        select(intent_table)
        .where(or_(is_overdue, untold))
        .order_by(_i.status, _i.deadline_us, _i.id)
        .limit(most)
    )
    return [intent_of(row) for row in connection.execute(clause).fetchall()]


@lru_cache(maxsize=64)
def _by_key(dialect: Dialect, size: int) -> str:
    names = [f"key_{n}" for n in range(size)]
    # Ids sort by time, so that the last row of a key is its newest.
    clause = (
        select(intent_table).where(_i.key.in_([bindparam(name) for name in names])).order_by(_i.id)
    )
    return positional(clause, dialect, names)
