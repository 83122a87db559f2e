"""Folding of floods: the same refusal from one source within a second is one event.

The first of a kind goes out at once; identical ones within the next second are
counted and leave as one event with that count (records §6). Counters count each. The
table is bounded: a flood of *different* refusals cannot grow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from certctl.domain.audit import AuditEvent, Counter

FOLD_SECONDS = 1.0
MAX_KINDS = 2_048

Kind = tuple[str, str, str, str]
Record = Callable[[AuditEvent, Counter | None], None]


class RefusalFolder:
    """Stands before ``ports.Authority.record_refusal`` in a worker's event loop."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._folded: dict[Kind, tuple[AuditEvent, Counter | None, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, event: AuditEvent, counter: Counter | None) -> bool:
        """Record or fold; True when the event went out by itself."""
        kind = (event.source_address, event.profile, event.action, str(event.details))
        known = self._folded.get(kind)
        if known is not None:
            _, _, count = known
            self._folded[kind] = (event, counter, count + 1)
            return False
        if len(self._folded) < MAX_KINDS:
            self._folded[kind] = (event, counter, 0)
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(FOLD_SECONDS, self.flush)
        self._record(event, counter)
        return True

    def flush(self) -> None:
        """Send what was folded; also at a worker's end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        folded, self._folded = self._folded, {}
        for event, counter, count in folded.values():
            if count:
                self._record(replace(event, count=count), counter)
