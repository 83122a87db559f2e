"""Log lines for what the TLS and HTTP edge refused by itself: no audit event tells of it.

An attacker decides how often these happen, so lines are bounded: so many a second, and
one that says how many more there were.
"""

from __future__ import annotations

from certctl.domain.clock import SECOND_US, Clock
from certctl.obs.log import Log
from certctl.tls.listener import ListenerEvent

LINES_PER_SECOND = 20


class EdgeLog:
    """Give ``note`` to a ``Listener`` as its ``on_event``."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def note(self, event: ListenerEvent) -> None:
        second = self._clock() // SECOND_US
        if second != self._second:
            if self._left_out:
                self._log.info("edge_refused_more", count=self._left_out)
            self._second, self._lines, self._left_out = second, 0, 0
        if self._lines >= LINES_PER_SECOND:
            self._left_out += 1
            return
        self._lines += 1
        self._log.info(
            "edge_refused",
            kind=event.kind.value,
            source=event.client,
            reason=event.reason,
            status=event.status,
        )
