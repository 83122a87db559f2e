"""Removing what answers nothing any more, a bounded number at a time (records §8)."""

from __future__ import annotations

from certctl.authority import leases
from certctl.authority.commands import Purged, PurgeExpired
from certctl.authority.done import Done
from certctl.domain.ports import Transaction

JOB = "purge"

# One transaction of them takes some milliseconds; orders wait no longer for it.
MOST_ROWS = 500


def purge(command: PurgeExpired, transaction: Transaction, now_us: int) -> Done:
    """Remove at most ``MOST_ROWS`` expired rows.

    Raises:
        LeaseLost: another node purges by now.
    """
    leases.require(transaction, JOB, command.fence)
    return Done(result=Purged(transaction.purge_expired(now_us, MOST_ROWS)))
