"""Walks the whole audit trail now and then and verifies it, so that somebody always has.

All of it each time: what was changed long ago is found as well as what was changed now. An
auditor still verifies by himself, elsewhere, against a copy (``certctl-server audit verify``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from certctl.authority.commands.figures import FiguresRecorded, RecordAuditProof
from certctl.authority.figures import AUDIT_JOB
from certctl.authority.verify import Broken, Proof
from certctl.domain.audit import RecordedEvent
from certctl.domain.clock import DAY_US, SECOND_US, Clock
from certctl.domain.figures import AuditProof
from certctl.domain.ports import Records
from certctl.jobs.figures import LEASE_US
from certctl.jobs.loop import Caller
from certctl.jobs.pace import Pace, Stopped

Told = Callable[[Iterator[RecordedEvent]], Iterator[RecordedEvent]]

Verify = Callable[[Told], Proof]
"""Verifies the whole trail; hands its events through. Raises Broken."""

LEAST_US: Final = 600 * SECOND_US

IDLE_FACTOR: Final = 20
"""It is verified again after so many times as long as it took, at the latest after a day."""


class AuditVerificationJob:
    """Implements ``loop.Job``."""

    name = AUDIT_JOB
    lease_us = LEASE_US

    def __init__(
        self,
        records: Records,
        caller: Caller,
        pace: Pace,
        *,
        verify: Verify,
        clock: Clock,
        on_broken: Callable[[str], None],
    ) -> None:
        self._records = records
        self._caller = caller
        self._pace = pace
        self._verify = verify
        self._clock = clock
        self._on_broken = on_broken
        self._took_us = 0

    @property
    def every_us(self) -> int:
        return min(DAY_US, max(LEAST_US, IDLE_FACTOR * self._took_us))

    def is_wanted(self, now_us: int) -> bool:
        known = self._records.audit_proof()
        heads = tuple(self._records.chain_heads())
        if not heads:
            return False
        if known is None:
            return True
        self._took_us = known.took_us
        age_us = now_us - known.made_us
        if not 0 <= age_us < DAY_US:
            return True
        return age_us >= self.every_us and (bool(known.broken) or known.heads != heads)

    def run(self, fence: int) -> None:
        now_us, began = self._clock(), time.perf_counter()
        heads = tuple(self._records.chain_heads())
        broken, done = "", None
        try:
            done = self._verify(self._pace.walk)
        except Broken as found:
            broken = str(found)
        except Stopped:
            return
        proof = AuditProof(
            made_us=now_us,
            took_us=int((time.perf_counter() - began) * SECOND_US),
            broken=broken,
            events=done.events if done else 0,
            checkpoints=done.checkpoints if done else 0,
            dropped=done.dropped if done else 0,
            unsealed=done.unsealed if done else 0,
            heads=heads,
        )
        self._caller.execute(RecordAuditProof(fence=fence, proof=proof), FiguresRecorded)
        if broken:
            self._on_broken(broken)
