"""How many requests one key or source may make: a token bucket each, per worker."""

from __future__ import annotations

import math

from certctl.domain.clock import SECOND_US, Clock

MOST_BUCKETS = 4_096
"""More at a time and the oldest begins anew: memory is bounded, whoever asks."""


class RateLimit:
    """``rate`` requests a second and ``burst`` at once for each name; 0 is no limit."""

    def __init__(self, *, rate: float, burst: int, clock: Clock) -> None:
        self._rate = rate
        self._burst = float(max(1, burst))
        self._clock = clock
        self._buckets: dict[str, tuple[float, int]] = {}

    def wait_s(self, name: str) -> int:
        """0: go on, and it counts. Else whole seconds until there is room again."""
        if not self._rate:
            return 0
        now_us = self._clock()
        left, then_us = self._buckets.pop(name, (self._burst, now_us))
        passed = max(0, now_us - then_us) / SECOND_US
        left = min(self._burst, left + passed * self._rate)
        wait = 0
        if left >= 1.0:
            left -= 1.0
        else:
            wait = math.ceil((1.0 - left) / self._rate)
        while len(self._buckets) >= MOST_BUCKETS:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[name] = (left, now_us)
        return wait
