"""Read the audit log in its order, and the end of a node's chain (records §5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.audit import RecordedEvent
from certctl.store.rows import recorded_event
from certctl.store.statement import positional
from certctl.store.tables import audit_events

_c = audit_events.c


def last_event(connection: Connection, node: str) -> RecordedEvent | None:
    """The event with the highest seq of this node."""
    rows = connection.exec_driver_sql(_last(connection.dialect), (node,)).fetchall()
    return recorded_event(rows[0]) if rows else None


def page(
    connection: Connection, node: str | None, after_seq: int, limit: int
) -> Sequence[RecordedEvent]:
    """The next events with a seq above ``after_seq``, in order of (node, seq).

    Without ``node`` those of every chain, one after the other.
    """
    found: list[RecordedEvent] = []
    for name in nodes(connection) if node is None else (node,):
        clause = (
            select(audit_events)
            .where(_c.node == name)
            .where(_c.seq > after_seq)
            .order_by(_c.seq)
            .limit(limit - len(found))
        )
        found += map(recorded_event, connection.execute(clause).fetchall())
        if len(found) >= limit:
            break
    return found


def about_certificate(
    connection: Connection, certificate_id: str, limit: int
) -> Sequence[RecordedEvent]:
    """Events whose resource is this certificate, by time."""
    clause = (
        select(audit_events)
        # A literal: the index is partial, and a planner must see that its condition holds.
        .where(_c.resource_type == literal_column("'certificate'"))
        .where(_c.resource_id == certificate_id)
        .order_by(_c.time_us, _c.node, _c.seq)
        .limit(limit)
    )
    return [recorded_event(row) for row in connection.execute(clause).fetchall()]


def nodes(connection: Connection) -> Iterator[str]:
    """Names of all nodes that have events, in order."""
    # One step into the index per node; DISTINCT would walk over every event.
    name = connection.execute(select(func.min(_c.node))).scalar()
    while name is not None:
        yield name
        name = connection.execute(select(func.min(_c.node)).where(_c.node > name)).scalar()


@lru_cache(maxsize=8)
def _last(dialect: Dialect) -> str:
    clause = (
        select(audit_events)
        .where(_c.node == bindparam("node"))
        .order_by(_c.seq.desc())
        .limit(literal_column("1"))
        # Said, or SQLite's compiler adds a parameter of its own for it.
        .offset(literal_column("0"))
    )
    return positional(clause, dialect, ("node",))
