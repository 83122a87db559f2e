"""Read the counters, added up over nodes (records §6)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from certctl.domain.audit import Counter
from certctl.store.tables import counters

_c = counters.c
_LABELS = frozenset(Counter)


def counts(connection: Connection) -> Mapping[tuple[str, Counter], int]:
    """Counters by (profile, counter), summed over nodes.

    A label that only another version knows is left out: its numbers stay on record.
    """
    clause = select(_c.profile, _c.label, func.sum(_c.n)).group_by(_c.profile, _c.label)
    return {
        (profile, Counter(label)): int(total)
        for profile, label, total in connection.execute(clause).fetchall()
        if label in _LABELS
    }
