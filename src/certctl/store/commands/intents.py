"""Keep intents and close them, each only once (records §2)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from certctl.domain.intent import Intent, IntentStatus
from certctl.store.intent_rows import intent_row
from certctl.store.tables import intents as intent_table

_i = intent_table.c
_COLUMNS = intent_table.columns.keys()
_FORGETTABLE = (IntentStatus.ISSUED, IntentStatus.REFUSED, IntentStatus.FAILED)


def record_intents(connection: Connection, intents: Sequence[Intent]) -> None:
    """Insert all; a key that has an open intent already breaks the unique ``open_key``."""
    if intents:
        rows = [dict(zip(_COLUMNS, intent_row(each), strict=True)) for each in intents]
        connection.execute(insert(intent_table), rows)


def change_intent(connection: Connection, intent: Intent, expected: IntentStatus) -> bool:
    """Write where an intent stands, if it still has the status ``expected``: whether it had."""
    done = connection.execute(
        update(intent_table)
        .where(_i.id == intent.id, _i.status == expected.value)
        .values(
            open_key=intent.key if intent.is_open else None,
            status=intent.status.value,
            closed_us=intent.closed_us,
            note=intent.note,
            certificate_id=intent.certificate_id,
            told_us=intent.told_us,
        )
    )
    return done.rowcount == 1


def forget_intents(connection: Connection, before_us: int, most: int) -> None:
    """Drop at most so many that were closed by then; lost ones and orphans stay."""
    old = (
        select(_i.id)
        .where(
            _i.status.in_([each.value for each in _FORGETTABLE]),
            _i.deadline_us <= before_us,
            _i.closed_us <= before_us,
        )
        .order_by(_i.deadline_us)
        .limit(most)
    ).scalar_subquery()
    connection.execute(delete(intent_table).where(_i.id.in_(old)))
