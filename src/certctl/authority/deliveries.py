"""What became of events on their way to channels, inside a transaction (records §7)."""

from __future__ import annotations

from typing import Final

from certctl.authority import leases
from certctl.authority.commands import (
    DeliveriesSettled,
    Requeued,
    RequeueDeliveries,
    SettleDeliveries,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction
from certctl.domain.ports import Transaction

JOB: Final = "outbox"

MOST_REQUEUED: Final = 500
"""In one transaction, so that orders do not wait for it; ask again for the rest."""


def settle(command: SettleDeliveries, transaction: Transaction) -> Done:
    """Write the outcome of attempts.

    Raises:
        LeaseLost: another node delivers by now; its attempts count.
    """
    leases.require(transaction, JOB, command.fence)
    transaction.settle_deliveries(command.deliveries)
    return Done(result=DeliveriesSettled())


def requeue(command: RequeueDeliveries, transaction: Transaction, now_us: int) -> Done:
    """Let dead ones wait again, with all their attempts before them."""
    rows = transaction.requeue_deliveries(command.event_id, command.channel, now_us, MOST_REQUEUED)
    result = Requeued(rows=rows, more=rows == MOST_REQUEUED)
    if not rows:
        return Done(result=result)
    event = event_by(
        command.actor,
        AuditAction.EVENTS_REQUEUED,
        now_us=now_us,
        resource_type="event",
        resource_id=command.event_id or "",
        details={"channel": command.channel or "", "deliveries": rows},
    )
    return Done(result=result, events=(event,))
