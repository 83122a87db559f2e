"""Traces as usable settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from certctl.domain.traces import Believed

DEFAULT_QUEUE: Final = 2_048

DEFAULT_BATCH: Final = 128
"""Fewer than OpenTelemetry's 512: a batch is put together in the process that serves, and
about 3 ms of that at a time are in nobody's way.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Whether requests are traced; what is in ``OTEL_…`` was checked with it.

    Attributes:
        parent: whose ``traceparent`` is believed.
        queue: spans of one process that may wait to be sent.
        batch: spans that are sent at a time; never more than ``queue``.
    """

    enabled: bool = False
    parent: Believed = Believed.PROXIES
    queue: int = DEFAULT_QUEUE
    batch: int = DEFAULT_BATCH
