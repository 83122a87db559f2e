"""The one place that reads the system's clock, and notices when somebody sets it."""

from __future__ import annotations

import time

from certctl.domain.clock import SECOND_US, STEP_US, Clock
from certctl.obs.log import Log


def system_clock() -> int:
    """Now, in microseconds since the epoch (UTC)."""
    return time.time_ns() // 1000


def steady_clock() -> int:
    """Microseconds since the machine started, asleep or not: nobody can set it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class ClockWatch:
    """Tells the log of a step of more than five minutes, either way (records §2)."""

    def __init__(self, log: Log, clock: Clock, steady: Clock = steady_clock) -> None:
        self._log = log
        self._clock = clock
        self._steady = steady
        self._ahead_us = clock() - steady()

    def look(self) -> None:
        """Compare with the time before; call about once a second."""
        ahead_us = self._clock() - self._steady()
        step_us = ahead_us - self._ahead_us
        self._ahead_us = ahead_us
        if abs(step_us) > STEP_US:
            self._log.warning("clock_stepped", seconds=round(step_us / SECOND_US))
