"""Looks for what has been kept long enough, and has it dropped piece by piece (records §8).

It only looks; whether anything may go is decided by the authority.
"""

from __future__ import annotations

from collections.abc import Iterator

from certctl.authority.commands import (
    AuditDropped,
    DropAuditSegment,
    DropRecords,
    RecordsDropped,
)
from certctl.authority.retention import JOB, MOST_EVENTS, MOST_RECORDS
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.ports import Records
from certctl.domain.retention import Retention
from certctl.jobs.loop import Caller

PAGE = 1_000


class RetentionJob:
    """Implements ``loop.Job``."""

    name = JOB
    every_us = 3_600 * SECOND_US
    lease_us = 600 * SECOND_US

    # What a run does at most: a lease must outlast it, and the other jobs wait for it.
    MOST_PIECES = 200

    def __init__(
        self, records: Records, caller: Caller, retention: Retention, *, clock: Clock
    ) -> None:
        self._records = records
        self._caller = caller
        self._retention = retention
        self._clock = clock

    def is_wanted(self, now_us: int) -> bool:
        kept = self._retention
        if kept.audit_us is not None and next(self._segments(now_us - kept.audit_us), None):
            return True
        return kept.records_us is not None and bool(self._expired(now_us - kept.records_us, ""))

    def run(self, fence: int) -> None:
        now_us, pieces = self._clock(), 0
        if self._retention.audit_us is not None:
            for node, number in self._segments(now_us - self._retention.audit_us):
                wanted = DropAuditSegment(fence=fence, node=node, checkpoint=number)
                self._caller.execute(wanted, AuditDropped)
                pieces += 1
                if pieces >= self.MOST_PIECES:
                    return
        if self._retention.records_us is not None:
            self._drop_records(fence, now_us - self._retention.records_us, pieces)

    def _drop_records(self, fence: int, before_us: int, pieces: int) -> None:
        after = ""
        while pieces < self.MOST_PIECES and (ids := self._expired(before_us, after)):
            self._caller.execute(DropRecords(fence=fence, certificate_ids=ids), RecordsDropped)
            after = ids[-1]
            pieces += 1

    def _expired(self, before_us: int, after: str) -> list[str]:
        return list(self._records.expired_certificates(before_us, after=after, limit=MOST_RECORDS))

    def _segments(self, before_us: int) -> Iterator[tuple[str, int]]:
        """(node, checkpoint) up to which to drop next, for each piece of each chain."""
        for end in self._records.chain_heads():
            stub = self._records.last_stub(end.node)
            begin = stub.last_seq if stub else 0
            best: tuple[int, int] | None = None
            for checkpoint in self._sealed(stub.checkpoint if stub else 0, before_us):
                seq = next((each.seq for each in checkpoint.heads if each.node == end.node), 0)
                if not begin < seq < end.seq:
                    continue
                if best is not None and seq - begin > MOST_EVENTS:
                    yield end.node, best[1]
                    begin, best = best[0], None
                if best is None or seq > best[0]:
                    best = (seq, checkpoint.number)
            if best is not None:
                yield end.node, best[1]

    def _sealed(self, after: int, before_us: int) -> Iterator[Checkpoint]:
        while page := self._records.checkpoints(after=after, limit=PAGE):
            for checkpoint in page:
                if checkpoint.made_us > before_us:
                    return
                yield checkpoint
            after = page[-1].number
