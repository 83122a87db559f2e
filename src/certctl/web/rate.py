"""So many requests of one source a minute, in this worker; memory bounded.

Guards the signing of answers against one busy source, no more: nothing is recorded.
"""

from __future__ import annotations

from certctl.domain.clock import SECOND_US
from certctl.domain.lockout import source_key

MINUTE_US = 60 * SECOND_US

MAX_SOURCES = 100_000
"""Beyond so many within a minute all begin anew."""


class MinuteLimit:
    """Counts by clock minute: at most twice the limit passes around its turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute = 0
        self._counts: dict[str, int] = {}

    def allows(self, source: str, now_us: int) -> bool:
        """Count a request of an address (an IPv6 /64 is one source); False: one too many."""
        minute = now_us // MINUTE_US
        if minute != self._minute or len(self._counts) >= MAX_SOURCES:
            self._minute = minute
            self._counts = {}
        key = source_key(source)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return count <= self._most
