"""Keep events on their way to channels, and how far notices have come (records §7)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import bindparam, delete, insert, select, text, update
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.events import Delivery, DeliveryStatus, NoticeMark
from certctl.store.driver import run_each
from certctl.store.outbox_rows import COLUMNS, delivery_row
from certctl.store.statement import positional
from certctl.store.tables import outbox

_o = outbox.c
_WAITING = DeliveryStatus.WAITING.value
_THIS = (_o.event_id == bindparam("of_event"), _o.channel == bindparam("to_channel"))


def add_deliveries(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Insert all, in the hot path of issuing where channels are set up."""
    if deliveries:
        rows = [delivery_row(each) for each in deliveries]
        run_each(connection, _add(connection.dialect), rows)


def settle_deliveries(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Write where these stand; a row that waits no longer is left as it is."""
    if deliveries:
        rows = [
            (each.status.value, each.at_us, each.attempts, each.error, each.event_id, each.channel)
            for each in deliveries
        ]
        connection.exec_driver_sql(_settle(connection.dialect), rows)


def requeue_deliveries(
    connection: Connection, event_id: str | None, channel: str | None, now_us: int, most: int
) -> int:
    """Let at most ``most`` dead rows wait again; those of any event or channel for None."""
    chosen = select(_o.event_id, _o.channel).where(_o.status == DeliveryStatus.DEAD.value)
    if event_id is not None:
        chosen = chosen.where(_o.event_id == event_id)
    if channel is not None:
        chosen = chosen.where(_o.channel == channel)
    rows = connection.execute(chosen.order_by(_o.at_us).limit(most)).fetchall()
    if rows:
        again = update(outbox).where(*_THIS).values(status=_WAITING, at_us=now_us, attempts=0)
        connection.execute(again, [{"of_event": row[0], "to_channel": row[1]} for row in rows])
    return len(rows)


def purge_delivered(connection: Connection, before_us: int, most: int) -> int:
    """Remove at most ``most`` rows that were delivered before; gives their number."""
    old = (
        select(_o.event_id, _o.channel)
        .where(_o.status == DeliveryStatus.DELIVERED.value, _o.at_us < before_us)
        .limit(most)
    )
    rows = connection.execute(old).fetchall()
    if rows:
        keys = [{"of_event": row[0], "to_channel": row[1]} for row in rows]
        connection.execute(delete(outbox).where(*_THIS), keys)
    return len(rows)


def put_notice_mark(connection: Connection, mark: NoticeMark) -> None:
    """Write one mark, whether there was one or not."""
    connection.execute(
        text(
            "INSERT INTO notice_marks (name, at_us, id) VALUES (:name, :at_us, :id)"
            " ON CONFLICT (name) DO UPDATE SET at_us = excluded.at_us, id = excluded.id"
        ),
        {"name": mark.name, "at_us": mark.at_us, "id": mark.id},
    )


@lru_cache(maxsize=8)
def _add(dialect: Dialect) -> str:
    return positional(insert(outbox), dialect, COLUMNS)


@lru_cache(maxsize=8)
def _settle(dialect: Dialect) -> str:
    clause = (
        update(outbox)
        .where(*_THIS, _o.status == text(f"'{_WAITING}'"))
        .values(
            status=bindparam("status"),
            at_us=bindparam("at_us"),
            attempts=bindparam("attempts"),
            error=bindparam("error"),
        )
    )
    names = ("status", "at_us", "attempts", "error", "of_event", "to_channel")
    return positional(clause, dialect, names)
