"""Which function carries out which command about events for other systems."""

from __future__ import annotations

from typing import assert_never

from certctl.authority import deliveries, notices
from certctl.authority.commands import (
    AnnounceCertificates,
    AnnounceExpiry,
    EventCommand,
    RequeueDeliveries,
    SettleDeliveries,
)
from certctl.authority.done import Done
from certctl.domain.ports import Transaction


def carry_out_event_command(command: EventCommand, transaction: Transaction, now_us: int) -> Done:
    """See ``carry_out.carry_out``."""
    match command:
        case SettleDeliveries():
            return deliveries.settle(command, transaction)
        case RequeueDeliveries():
            return deliveries.requeue(command, transaction, now_us)
        case AnnounceCertificates():
            return notices.announce_certificates(command, transaction, now_us)
        case AnnounceExpiry():
            return notices.announce_expiry(command, transaction)
    assert_never(command)
