"""Removes rows that answer nothing any more, in small pieces (records §8)."""

from __future__ import annotations

from certctl.authority.commands import Purged, PurgeExpired
from certctl.authority.purge import JOB, MOST_ROWS
from certctl.domain.clock import SECOND_US
from certctl.jobs.loop import Caller


class PurgeJob:
    """Implements ``loop.Job``."""

    name = JOB
    every_us = 600 * SECOND_US
    lease_us = 300 * SECOND_US

    # 50 pieces of 500: at the pace of a run each ten minutes, 3.6 million rows a day.
    MOST_PIECES = 50

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def is_wanted(self, now_us: int) -> bool:
        return now_us > 0

    def run(self, fence: int) -> None:
        for _ in range(self.MOST_PIECES):
            if self._caller.execute(PurgeExpired(fence=fence), Purged).rows < MOST_ROWS:
                return
