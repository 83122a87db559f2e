"""Removing what answers nothing any more, a bounded number at a time (records §8)."""

from __future__ import annotations

from certctl.authority import leases
from certctl.authority.commands import Purged, PurgeExpired
from certctl.authority.done import Done
from certctl.domain.clock import DAY_US
from certctl.domain.ports import Transaction

JOB = "purge"

# One transaction of them takes some milliseconds; orders wait no longer for it.
MOST_ROWS = 500

# Delivered events stay for people who look for one; dead ones until they are told otherwise.
KEEP_DELIVERED_US = DAY_US


def purge(command: PurgeExpired, transaction: Transaction, now_us: int) -> Done:
    """Remove at most ``MOST_ROWS`` rows of each kind.

    Raises:
        LeaseLost: another node purges by now.
    """
    leases.require(transaction, JOB, command.fence)
    rows = (
        transaction.purge_expired(now_us, MOST_ROWS),
        transaction.purge_delivered(now_us - KEEP_DELIVERED_US, MOST_ROWS),
    )
    return Done(result=Purged(max(rows)))
