"""Seals the audit trail every minute or 1,000 events (records §5), and tells the copy.

The copy outside the database is what finds a cut-off tail: whoever can cut the database
cannot cut what has left the machine.
"""

from __future__ import annotations

from collections.abc import Callable

from certctl.authority.commands import SealAudit, Sealed
from certctl.authority.seal import JOB
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.clock import SECOND_US
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller

EVERY_US = 60 * SECOND_US
EVERY_EVENTS = 1_000
LOOK_US = 2 * SECOND_US
PAGE = 1_000


class CheckpointJob:
    """Implements ``loop.Job``."""

    name = JOB
    # Looked at often, because a flood of events must not wait a minute for its seal.
    every_us = LOOK_US
    lease_us = 60 * SECOND_US

    def __init__(
        self, records: Records, caller: Caller, *, on_sealed: Callable[[Checkpoint], None]
    ) -> None:
        self._records = records
        self._caller = caller
        self._on_sealed = on_sealed
        self._last: Checkpoint | None = None

    def is_wanted(self, now_us: int) -> bool:
        while page := self._records.checkpoints(
            after=self._last.number if self._last else 0, limit=PAGE
        ):
            self._last = page[-1]
        sealed = {head.node: head.seq for head in self._last.heads} if self._last else {}
        heads = self._records.chain_heads()
        unsealed = sum(head.seq - sealed.get(head.node, 0) for head in heads)
        if unsealed >= EVERY_EVENTS:
            return True
        age_us = now_us - self._last.made_us if self._last else EVERY_US
        return unsealed > 0 and not 0 <= age_us < EVERY_US

    def run(self, fence: int) -> None:
        sealed = self._caller.execute(SealAudit(fence=fence), Sealed).checkpoint
        if sealed is not None:
            self._last = sealed
            self._on_sealed(sealed)
