"""Sends spans to a collector by OTLP over HTTP, in a thread, and never makes anybody wait.

A queue of bounded length lies between; what finds it full is dropped and counted. Where,
how often and with which headers is said by OpenTelemetry's own variables.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from certctl.domain.traces import Believed
from certctl.obs.log import Log
from certctl.obs.tracing.spans import Tracing

CLOSE_SECONDS: Final = 1.5
"""At the end of a process: less than the supervisor waits before it kills."""

Counted = Callable[[str, int], None]
"""Hears of spans: ``exported``, ``failed`` or ``dropped``, and how many."""

# They would write into our log in a form that is not its own; what matters is told below.
for _name in ("opentelemetry", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


def open_tracing(
    *,
    process: str,
    version: str,
    queue: int,
    batch: int,
    believed: Believed,
    counted: Counted,
    log: Log,
) -> Tracing:
    """After the fork: it starts a thread. ``queue``: how many spans may wait; ``batch``: how
    many are sent at a time.
    """
    resource = Resource.create({"service.version": version, "certctl.process": process})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "certctl"}))
    exporter = _Exporter(OTLPSpanExporter(), counted, log)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_Processor(exporter, queue, batch, counted))

    def close() -> None:
        # A collector that hangs holds up no stop: what it has not taken by then is lost.
        closing = threading.Thread(target=provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)

    return Tracing(provider.get_tracer("certctl", version), believed=believed, close=close)


class _Exporter(SpanExporter):
    """Counts, and says once that the collector takes nothing, and once that it does again."""

    def __init__(self, exporter: OTLPSpanExporter, counted: Counted, log: Log) -> None:
        self._exporter = exporter
        self._counted = counted
        self._log = log
        self._away = False
        self.taken = 0
        """Out of the queue, since the start; written by the exporting thread alone."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        good = result is SpanExportResult.SUCCESS
        self._counted("exported" if good else "failed", len(spans))
        if good and self._away:
            self._log.info("traces_taken_again")
        elif not good and not self._away:
            self._log.warning(
                "traces_not_taken",
                problem="the collector did not take spans; they are lost",
                remedy="see that OTEL_EXPORTER_OTLP_ENDPOINT is right and the collector runs",
            )
        self._away = not good
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Processor(BatchSpanProcessor):
    """Drops by itself, before the SDK would drop an older one in silence."""

    def __init__(self, exporter: _Exporter, queue: int, batch: int, counted: Counted) -> None:
        super().__init__(exporter, max_queue_size=queue, max_export_batch_size=batch)
        self._own = exporter
        self._queue = queue
        self._counted = counted
        self._given = 0

    def on_end(self, span: ReadableSpan) -> None:
        # Written by the process's one loop alone, as ``taken`` is by the thread.
        if self._given - self._own.taken >= self._queue:
            self._counted("dropped", 1)
            return
        self._given += 1
        super().on_end(span)
