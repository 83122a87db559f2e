"""Intents past their deadline (records §2): asked from the CA where it can tell, else lost.

Also orphans that the CA has not revoked yet: it is told again, for a day.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from certctl.authority import leases
from certctl.authority.calls import OutsideCalls
from certctl.authority.commands import Reconciled, ReconcileIntents
from certctl.authority.done import Done
from certctl.authority.settle import lost
from certctl.authority.turn import Turn
from certctl.domain.clock import DAY_US
from certctl.domain.ports import Transaction

JOB = "reconcile"

# One transaction of them takes some milliseconds; orders wait no longer for it.
MOST = 100


def reconcile(
    command: ReconcileIntents, transaction: Transaction, calls: OutsideCalls | None, now_us: int
) -> Done:
    """Settle at most ``MOST`` intents; questions to CAs are asked once this is durable.

    Raises:
        LeaseLost: another node reconciles by now.
    """
    leases.require(transaction, JOB, command.fence)
    turn = Turn(now_us=now_us)
    asked: list[Callable[[], object]] = []
    told: list[Callable[[], object]] = []
    given_up = 0
    for intent in transaction.overdue_intents(now_us, now_us - DAY_US, MOST):
        if not intent.is_open:
            record = transaction.certificate(intent.certificate_id or "")
            if record is not None and calls is not None and calls.can_revoke(intent.issuer_id):
                told.append(partial(calls.revoke, intent, record.der))
        elif calls is not None and calls.can_find(intent.issuer_id):
            asked.append(partial(calls.find, intent))
        else:
            lost(intent, turn, transaction)
            given_up += 1
    return Done(
        result=Reconciled(asked=len(asked), lost=given_up, told=len(told)),
        events=tuple(turn.events),
        counts=turn.counts,
        after=partial(_all_of, [*asked, *told]),
    )


def _all_of(works: list[Callable[[], object]]) -> None:
    for work in works:
        work()
