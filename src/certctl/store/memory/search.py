"""What people look for: pages, totals and figures of what a key may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus, WaitingRequest
from certctl.domain.audit import RecordedEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.clock import DAY_US, HOUR_US
from certctl.domain.figures import LIVE_CERTIFICATES
from certctl.domain.ids import made_us, oldest_id
from certctl.domain.search import (
    EXPIRY_BOUNDS_DAYS,
    MOST_COUNTED,
    MOST_HOURS,
    MOST_LOOKED_AT,
    NOTHING,
    Activity,
    AuditPage,
    AuditQuery,
    Expiries,
    Page,
    matches,
)
from certctl.store.memory.figures import FigureReads

T = TypeVar("T", CertificateRecord, WaitingRequest)


class SearchReads(FigureReads):
    """``ports.reads.SearchReads``."""

    def audit_page(self, query: AuditQuery, page: Page) -> AuditPage:
        last = None if query.finds_all else self._last_looked_at(query, page.after)
        found = sorted(self._matching(query), key=lambda each: each.id, reverse=True)
        rest = [
            each
            for each in found
            if (page.after is None or each.id < page.after) and each.id >= (last or "")
        ]
        return AuditPage(rows=rest[page.skip :][: page.limit], rest=last)

    def audit_total(self, query: AuditQuery, most: int = MOST_COUNTED) -> int | None:
        if not query.finds_all and self._last_looked_at(query, None) is not None:
            return None
        return min(most, len(self._matching(query)))

    def _last_looked_at(self, query: AuditQuery, after: str | None) -> str | None:
        ids = sorted((each.id for each in self._now().events.values()), reverse=True)
        since_us, until_us = query.since_us, query.until_us
        first = oldest_id(max(0, since_us - DAY_US)) if since_us is not None else ""
        end = oldest_id(until_us + HOUR_US) if until_us is not None else "~"
        some = [each for each in ids if first <= each < min(end, after or "~")]
        return some[MOST_LOOKED_AT - 1] if len(some) >= MOST_LOOKED_AT else None

    def events_since(self, seen: Mapping[str, int], limit: int) -> Sequence[RecordedEvent]:
        rows = self._now().events
        return [rows[key] for key in sorted(rows) if key[1] > seen.get(key[0], 0)][:limit]

    def checkpoint_total(self) -> int:
        return len(self._now().checkpoints)

    def audit_event(self, event_id: str, visible: Visible) -> RecordedEvent | None:
        found = self._matching(AuditQuery(visible=visible))
        return next((each for each in found if each.id == event_id), None)

    def certificate_total(self, visible: Visible, most: int = MOST_COUNTED) -> int:
        return min(most, len(self._seen(visible)))

    def request_page(
        self, status: RequestStatus | None, visible: Visible, page: Page
    ) -> Sequence[WaitingRequest]:
        return _piece(self._asked(status, visible), page)

    def request_total(
        self, status: RequestStatus | None, visible: Visible, most: int = MOST_COUNTED
    ) -> int:
        return min(most, len(self._asked(status, visible)))

    def activity(self, since_us: int, visible: Visible) -> Activity:
        return self._between(since_us, None, visible)

    def activity_by_hour(self, since_us: int, visible: Visible) -> Mapping[int, Activity]:
        newest = max((each.id for each in self._now().events.values()), default="")
        last_us = made_us(newest) or 0
        hours = range(min(MOST_HOURS, (last_us - since_us) // HOUR_US + 1))
        found = {
            at: self._between(
                since_us + at * HOUR_US,
                since_us + (at + 1) * HOUR_US if at < hours[-1] else None,
                visible,
            )
            for at in hours
        }
        return {at: each for at, each in found.items() if each != NOTHING}

    def expiries(self, now_us: int, visible: Visible) -> Expiries | None:
        figures = self.inventory_figures()
        if figures is None and len(self._now().certificates) > LIVE_CERTIFICATES:
            return None
        parts = figures.parts if figures else self.inventory_parts(now_us, now_us, None)
        seen = [
            each
            for each in parts
            if visible.covers(tenant=each.tenant or None, profile=each.profile)
        ]
        bounds: tuple[int | None, ...] = (*EXPIRY_BOUNDS_DAYS, None)
        return Expiries(
            counted_us=figures.made_us if figures else now_us,
            by_days=tuple(
                (days, sum(each.by_days[at] for each in seen)) for at, days in enumerate(bounds)
            ),
            past_renewal=sum(each.past_renewal for each in seen),
        )

    def _matching(self, query: AuditQuery) -> list[RecordedEvent]:
        return [each for each in self._now().events.values() if matches(query, each.event)]

    def _seen(self, visible: Visible) -> list[CertificateRecord]:
        rows = self._now().certificates.values()
        return [each for each in rows if visible.covers(tenant=each.tenant, profile=each.profile)]

    def _asked(self, status: RequestStatus | None, visible: Visible) -> list[WaitingRequest]:
        return [
            each
            for each in self._now().requests.values()
            if status in (None, each.status)
            and visible.covers(tenant=each.tenant, profile=each.profile)
        ]


def _piece(rows: list[T], page: Page) -> list[T]:
    rest = [each for each in rows if page.after is None or each.id > page.after]
    return sorted(rest, key=lambda each: each.id)[page.skip :][: page.limit]
