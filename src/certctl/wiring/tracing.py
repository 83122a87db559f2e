"""Traces of one process, where they are switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from certctl import __version__
from certctl.obs.log import Log
from certctl.settings.schema import Settings

if TYPE_CHECKING:
    from certctl.obs.tracing.spans import Tracing


def make_tracing(
    settings: Settings, process: str, *, counted: Callable[[str, int], None], log: Log
) -> Tracing | None:
    """After the fork, because it starts a thread; None where traces are off."""
    if not settings.traces.enabled:
        return None
    from certctl.obs.tracing.export import open_tracing  # noqa: PLC0415 - loads the SDK

    return open_tracing(
        process=process,
        version=__version__,
        queue=settings.traces.queue,
        batch=settings.traces.batch,
        believed=settings.traces.parent,
        counted=counted,
        log=log,
    )
