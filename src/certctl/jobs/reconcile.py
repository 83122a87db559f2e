"""Settles intents that were never answered, at start and every minute (records §2)."""

from __future__ import annotations

from collections.abc import Callable

from certctl.authority.commands import Reconciled, ReconcileIntents
from certctl.authority.reconcile import JOB
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller


class ReconcileJob:
    """Implements ``loop.Job``."""

    name = JOB
    every_us = 60 * SECOND_US
    lease_us = 60 * SECOND_US

    def __init__(
        self, records: Records, caller: Caller, *, on_reconciled: Callable[[Reconciled], None]
    ) -> None:
        self._records = records
        self._caller = caller
        self._on_reconciled = on_reconciled

    def is_wanted(self, now_us: int) -> bool:
        return bool(self._records.overdue_intents(now_us, now_us - DAY_US, 1))

    def run(self, fence: int) -> None:
        self._on_reconciled(self._caller.execute(ReconcileIntents(fence=fence), Reconciled))
