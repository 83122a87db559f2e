"""The watch for an enrollment's steps, with a span for each of them."""

from __future__ import annotations

from collections.abc import Callable

from certctl.obs.metrics.measured import STEPS, Laps, WorkerMetrics
from certctl.obs.metrics.meters import Histogram
from certctl.obs.tracing.current import CURRENT
from certctl.obs.tracing.spans import Trace


def traced_laps(metrics: WorkerMetrics) -> Callable[[], Laps]:
    """What makes the watch of a request, in place of ``Laps``."""
    gates = {getattr(metrics, step): step for step in STEPS}

    def laps() -> Laps:
        trace = CURRENT.get()
        return Laps() if trace is None else _TracedLaps(trace, gates)

    return laps


class _TracedLaps(Laps):
    __slots__ = ("_gates", "_trace")

    def __init__(self, trace: Trace, gates: dict[Histogram, str]) -> None:
        super().__init__()
        self._trace = trace
        self._gates = gates
        trace.begin_gates()

    def __call__(self, step: Histogram) -> None:
        super().__call__(step)
        self._trace.passed(self._gates[step])
