"""Append to the audit log (records §5). Nothing here changes or removes an event."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import insert
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.audit import RecordedEvent
from certctl.store.driver import run_each
from certctl.store.rows import event_row
from certctl.store.statement import positional
from certctl.store.tables import audit_events


def append_events(connection: Connection, events: Sequence[RecordedEvent]) -> None:
    """Insert all, with one statement; (node, seq) is unique."""
    if events:
        run_each(connection, _insert(connection.dialect), [*map(event_row, events)])


@lru_cache(maxsize=8)
def _insert(dialect: Dialect) -> str:
    return positional(insert(audit_events), dialect, audit_events.columns.keys())
