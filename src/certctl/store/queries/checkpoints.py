"""Read checkpoints, and where the audit chains stand (records §5)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.store.queries.audit import nodes
from certctl.store.rows import checkpoint
from certctl.store.tables import audit_events, checkpoints

_c = checkpoints.c
_e = audit_events.c


def last_checkpoint(connection: Connection) -> Checkpoint | None:
    clause = select(checkpoints).order_by(_c.number.desc()).limit(1)
    rows = connection.execute(clause).fetchall()
    return checkpoint(rows[0]) if rows else None


def page(connection: Connection, after: int, limit: int) -> Sequence[Checkpoint]:
    """The next checkpoints with a number above ``after``, in order."""
    clause = select(checkpoints).where(_c.number > after).order_by(_c.number).limit(limit)
    return [checkpoint(row) for row in connection.execute(clause).fetchall()]


def chain_heads(connection: Connection) -> Sequence[ChainHead]:
    """The last event of each node, in order of the nodes' names."""
    heads: list[ChainHead] = []
    for node in nodes(connection):
        # Three columns, not the event: a damaged one must not hide where its chain ends.
        clause = (
            select(_e.node, _e.seq, _e.digest)
            .where(_e.node == node)
            .order_by(_e.seq.desc())
            .limit(1)
        )
        rows = connection.execute(clause).fetchall()
        heads += [ChainHead(node=row[0], seq=row[1], digest=row[2]) for row in rows]
    return heads
