"""Log lines and numbers of what the TLS and HTTP edge refused: no audit event tells of it."""

from __future__ import annotations

from certctl.domain.clock import Clock
from certctl.obs.bounded_log import BoundedLog
from certctl.obs.log import Log
from certctl.obs.metrics.measured import WorkerMetrics
from certctl.tls.listener import EventKind, ListenerEvent


class EdgeLog:
    """Give ``note`` to a ``Listener`` as its ``on_event``."""

    def __init__(self, log: Log, clock: Clock, metrics: WorkerMetrics) -> None:
        self._metrics = metrics
        self._lines = BoundedLog(log, clock, event="edge_refused")

    def note(self, event: ListenerEvent) -> None:
        self._metrics.edge_refused(event.kind.value)
        if event.kind is EventKind.HANDSHAKE_FAILED:
            self._metrics.no_handshake(event.reason)
        self._lines.info(
            kind=event.kind.value,
            source=event.client,
            reason=event.reason,
            status=event.status,
            request_id=event.request_id,
        )
