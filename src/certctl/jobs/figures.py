"""Counts what pages show and no page may count: certificates by expiry, activity by time.

Small stores are counted for each page; only where there is more than that do these jobs
have anything to do (``domain.figures``).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from certctl.authority.commands.figures import FiguresRecorded, RecordActivity, RecordInventory
from certctl.authority.figures import ACTIVITY_JOB, INVENTORY_JOB
from certctl.domain.api_keys import Visible
from certctl.domain.clock import HOUR_US, SECOND_US, Clock
from certctl.domain.figures import (
    LIVE_CERTIFICATES,
    LIVE_EVENTS,
    SLOT_US,
    ActivitySpan,
    InventoryFigures,
    InventoryPart,
)
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller
from certctl.jobs.pace import Pace, Stopped

LEASE_US: Final = 7_200 * SECOND_US

PAGE: Final = 2_000
"""Certificates that are counted by one statement."""

IDLE_FACTOR: Final = 5
"""The certificates are counted again after so many times as long as it took."""

LEAST_US: Final = 300 * SECOND_US

KEPT_US: Final = 26 * HOUR_US
"""Activity is asked for of the last day, by whole hours."""

SETTLED_US: Final = 120 * SECOND_US
"""A slot is counted so long after its end: an event is on record later than its id is made."""

ONE_RUN: Final = 24
"""Slots of one run: what is behind by a day catches up within some."""


class InventoryFiguresJob:
    """Implements ``loop.Job``."""

    name = INVENTORY_JOB
    lease_us = LEASE_US

    def __init__(self, records: Records, caller: Caller, pace: Pace, *, clock: Clock) -> None:
        self._records = records
        self._caller = caller
        self._pace = pace
        self._clock = clock
        self._took_us = 0

    @property
    def every_us(self) -> int:
        return max(LEAST_US, IDLE_FACTOR * self._took_us)

    def is_wanted(self, now_us: int) -> bool:
        known = self._records.inventory_figures()
        if known is not None:
            self._took_us = known.took_us
            return not 0 <= now_us - known.made_us < self.every_us
        most = LIVE_CERTIFICATES + 1
        return self._records.certificate_total(Visible(), most=most) == most

    def run(self, fence: int) -> None:
        now_us, began = self._clock(), time.perf_counter()
        parts: dict[tuple[str, str], InventoryPart] = {}
        from_us: int | None = now_us
        try:
            while from_us is not None:
                begin = time.perf_counter()
                until_us = self._records.expiry_bound(from_us, PAGE)
                _add(parts, self._records.inventory_parts(now_us, from_us, until_us))
                from_us = until_us
                self._pace.rest(time.perf_counter() - begin)
        except Stopped:
            return
        figures = InventoryFigures(
            made_us=now_us,
            took_us=int((time.perf_counter() - began) * SECOND_US),
            parts=tuple(parts[key] for key in sorted(parts)),
        )
        self._caller.execute(RecordInventory(fence=fence, figures=figures), FiguresRecorded)


class ActivityFiguresJob:
    """Implements ``loop.Job``."""

    name = ACTIVITY_JOB
    every_us = 60 * SECOND_US
    lease_us = LEASE_US

    def __init__(self, records: Records, caller: Caller, pace: Pace, *, clock: Clock) -> None:
        self._records = records
        self._caller = caller
        self._pace = pace
        self._clock = clock

    def is_wanted(self, now_us: int) -> bool:
        span = self._span(now_us)
        if span.until_us + SLOT_US + SETTLED_US > now_us:
            return False
        most = LIVE_EVENTS + 1
        return self._records.recorded_since(span.until_us, most) == most

    def run(self, fence: int) -> None:
        now_us = self._clock()
        while True:
            span = self._span(now_us)
            settled_us = (now_us - SETTLED_US) // SLOT_US * SLOT_US
            until_us = min(settled_us, span.until_us + ONE_RUN * SLOT_US)
            if until_us <= span.until_us:
                return
            begin = time.perf_counter()
            slots = self._records.counted_slots(span.until_us, until_us)
            wanted = RecordActivity(
                fence=fence,
                span=ActivitySpan(made_us=now_us, from_us=span.from_us, until_us=until_us),
                counted_from_us=span.until_us,
                slots=tuple(slots),
            )
            self._caller.execute(wanted, FiguresRecorded)
            try:
                self._pace.rest(time.perf_counter() - begin)
            except Stopped:
                return

    def _span(self, now_us: int) -> ActivitySpan:
        """What is covered and still wanted; an empty one where nothing is."""
        oldest_us = (now_us - KEPT_US) // SLOT_US * SLOT_US
        known = self._records.activity_span()
        if known is None or not oldest_us < known.until_us <= now_us:
            # None yet, too old to go on from, or made by a clock that was ahead.
            return ActivitySpan(made_us=now_us, from_us=oldest_us, until_us=oldest_us)
        return ActivitySpan(
            made_us=now_us, from_us=max(known.from_us, oldest_us), until_us=known.until_us
        )


def _add(parts: dict[tuple[str, str], InventoryPart], more: Iterable[InventoryPart]) -> None:
    for each in more:
        key = (each.profile, each.tenant)
        known = parts.get(key)
        parts[key] = (
            InventoryPart(
                profile=each.profile,
                tenant=each.tenant,
                by_days=tuple(a + b for a, b in zip(known.by_days, each.by_days, strict=True)),
                past_renewal=known.past_renewal + each.past_renewal,
            )
            if known
            else each
        )
