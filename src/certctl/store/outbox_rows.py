"""Rows of ``outbox`` to values and back, in the table's column order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from certctl.domain.events import Delivery, DeliveryStatus, EventType
from certctl.store.tables import outbox

COLUMNS = tuple(outbox.columns.keys())


def delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.event_id,
        delivery.channel,
        delivery.type.value,
        delivery.subject,
        delivery.status.value,
        delivery.made_us,
        delivery.at_us,
        delivery.attempts,
        delivery.error,
        delivery.body,
    )


def delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(
        event_id=row[0],
        channel=row[1],
        type=EventType(row[2]),
        subject=row[3],
        status=DeliveryStatus(row[4]),
        made_us=row[5],
        at_us=row[6],
        attempts=row[7],
        error=row[8],
        body=row[9],
    )
