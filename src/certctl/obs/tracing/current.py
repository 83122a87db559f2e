"""The trace that the present task works for, if any; asked by the log, too."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certctl.obs.tracing.spans import Trace

CURRENT: Final[ContextVar[Trace | None]] = ContextVar("certctl_trace", default=None)

_NONE: Final[Mapping[str, str]] = {}


def trace_fields() -> Mapping[str, str]:
    """``trace_id`` and ``span_id`` for a log line, in hex as collectors show them."""
    trace = CURRENT.get()
    return trace.fields if trace is not None else _NONE
