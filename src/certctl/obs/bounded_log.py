"""Log lines about what peers do, bounded: an attacker decides how often they happen."""

from __future__ import annotations

from certctl.domain.clock import SECOND_US, Clock
from certctl.obs.log import Log

LINES_PER_SECOND = 20


class BoundedLog:
    """One event, so many lines a second; then one line that says how many more there were."""

    def __init__(self, log: Log, clock: Clock, *, event: str) -> None:
        self._log = log
        self._clock = clock
        self._event = event
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def info(self, **fields: object) -> None:
        second = self._clock() // SECOND_US
        if second != self._second:
            if self._left_out:
                self._log.info(f"{self._event}_more", count=self._left_out)
            self._second, self._lines, self._left_out = second, 0, 0
        if self._lines >= LINES_PER_SECOND:
            self._left_out += 1
            return
        self._lines += 1
        self._log.info(self._event, **fields)
