"""Traces as usable settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from certctl.domain.traces import Believed

DEFAULT_QUEUE: Final = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Whether requests are traced; what is in ``OTEL_…`` was checked with it.

    Attributes:
        parent: whose ``traceparent`` is believed.
        queue: spans of one process that may wait to be sent.
    """

    enabled: bool = False
    parent: Believed = Believed.PROXIES
    queue: int = DEFAULT_QUEUE
