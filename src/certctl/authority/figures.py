"""Keep what the jobs have counted, inside a transaction.

No event is made of it: figures say nothing that the records do not, and may be counted anew.
"""

from __future__ import annotations

from typing import Final, assert_never

from certctl.authority import leases
from certctl.authority.commands.figures import (
    FigureCommand,
    FiguresRecorded,
    RecordActivity,
    RecordAuditProof,
    RecordInventory,
)
from certctl.authority.done import Done
from certctl.domain.ports import Transaction

INVENTORY_JOB: Final = "inventory-figures"
ACTIVITY_JOB: Final = "activity-figures"
AUDIT_JOB: Final = "audit-verification"


def record(command: FigureCommand, transaction: Transaction) -> Done:
    """In place of what was counted before.

    Raises:
        LeaseLost: another node counts by now.
    """
    match command:
        case RecordInventory():
            leases.require(transaction, INVENTORY_JOB, command.fence)
            transaction.put_figures(command.figures)
        case RecordActivity():
            leases.require(transaction, ACTIVITY_JOB, command.fence)
            transaction.put_slots(command.counted_from_us, command.slots)
            transaction.forget_slots(command.span.from_us)
            transaction.put_figures(command.span)
        case RecordAuditProof():
            leases.require(transaction, AUDIT_JOB, command.fence)
            transaction.put_figures(command.proof)
        case _:
            assert_never(command)
    return Done(result=FiguresRecorded())
