"""Leases of the jobs, inside a transaction: take, prove, give back (records §8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from certctl.authority.commands import FinishJob, JobFinished, LeaseAnswer, TakeLease
from certctl.authority.done import Done
from certctl.domain.clock import STEP_US
from certctl.domain.errors import LeaseLost
from certctl.domain.lease import Lease
from certctl.domain.ports import Transaction

IsGone = Callable[[str], bool]

MOST_OUTCOME: Final = 400
"""Characters that are kept of how a run ended: a problem and its remedy."""


def nobody(_holder: str) -> bool:
    """What a process knows of others where it can look at none: that none is gone."""
    return False


def take(
    command: TakeLease, transaction: Transaction, now_us: int, is_gone: IsGone = nobody
) -> Done:
    """Give the lease to the one who asks, if nobody holds it and a run is due.

    A holder that is known to have ended (``is_gone``) is not waited for: after a killed
    run the next one begins at once. Where that is a mistake, the fence still holds.

    Missed runs are caught up once: a run is due when the last one is long enough ago,
    however long that is.
    """
    lease = transaction.lease(command.job) or Lease(job=command.job)
    # A clock that was set back must not stop a job for as long as it was ahead; but nodes'
    # clocks differ a little, and that ends no lease.
    owned = now_us < lease.until_us <= now_us + command.lease_us + STEP_US
    # Who asks again while it has the lease has ended its run; the authority was killed
    # before it heard of that.
    held = owned and lease.holder != command.holder and not is_gone(lease.holder)
    recent = 0 <= now_us - lease.last_run_us < command.every_us
    if held or recent:
        return Done(result=LeaseAnswer(None))
    taken = replace(
        lease,
        holder=command.holder,
        fence=lease.fence + 1,
        until_us=now_us + command.lease_us,
    )
    transaction.put_lease(taken)
    return Done(result=LeaseAnswer(taken.fence))


def finish(command: FinishJob, transaction: Transaction, now_us: int) -> Done:
    """Note the end of a run.

    Raises:
        LeaseLost: somebody else has the lease by now.
    """
    lease = require(transaction, command.job, command.fence)
    transaction.put_lease(
        replace(lease, until_us=0, last_run_us=now_us, outcome=command.outcome[:MOST_OUTCOME])
    )
    return Done(result=JobFinished())


def require(transaction: Transaction, job: str, fence: int) -> Lease:
    """The lease of a job that still has it.

    Raises:
        LeaseLost: it was taken by another since.
    """
    lease = transaction.lease(job)
    if lease is None or lease.fence != fence:
        raise LeaseLost(job)
    return lease
