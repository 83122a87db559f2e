"""Log lines for what the TLS and HTTP edge refused by itself: no audit event tells of it."""

from __future__ import annotations

from certctl.domain.clock import Clock
from certctl.obs.bounded_log import BoundedLog
from certctl.obs.log import Log
from certctl.tls.listener import ListenerEvent


class EdgeLog:
    """Give ``note`` to a ``Listener`` as its ``on_event``."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._lines = BoundedLog(log, clock, event="edge_refused")

    def note(self, event: ListenerEvent) -> None:
        self._lines.info(
            kind=event.kind.value,
            source=event.client,
            reason=event.reason,
            status=event.status,
            request_id=event.request_id,
        )
