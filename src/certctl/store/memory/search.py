"""What people look for: pages, totals and figures of what a key may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus, WaitingRequest
from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.clock import DAY_US, HOUR_US
from certctl.domain.search import (
    EXPIRY_BOUNDS_DAYS,
    MOST_COUNTED,
    Activity,
    AuditQuery,
    Expiries,
    Page,
    matches,
)
from certctl.store.memory.base import Reads
from certctl.store.memory.tables import is_valid

T = TypeVar("T", CertificateRecord, WaitingRequest)


class SearchReads(Reads):
    """``ports.reads.SearchReads``."""

    def audit_page(self, query: AuditQuery, page: Page) -> Sequence[RecordedEvent]:
        found = sorted(self._matching(query), key=lambda each: each.id, reverse=True)
        rest = [each for each in found if page.after is None or each.id < page.after]
        return rest[page.skip :][: page.limit]

    def audit_total(self, query: AuditQuery, most: int = MOST_COUNTED) -> int:
        return min(most, len(self._matching(query)))

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
        query = AuditQuery(action="est_", since_us=since_us, visible=visible)
        return _activity([each.event for each in self._matching(query)])

    def activity_by_hour(self, since_us: int, visible: Visible) -> Mapping[int, Activity]:
        query = AuditQuery(action="est_", since_us=since_us, visible=visible)
        events: dict[int, list[AuditEvent]] = {}
        for each in self._matching(query):
            hour = (each.event.time_us - since_us) // HOUR_US
            events.setdefault(hour, []).append(each.event)
        return {hour: _activity(some) for hour, some in events.items()}

    def expiries(self, now_us: int, visible: Visible) -> Expiries:
        valid = [each for each in self._seen(visible) if is_valid(each, now_us)]
        bounds: tuple[int | None, ...] = (*EXPIRY_BOUNDS_DAYS, None)
        numbers = dict.fromkeys(bounds, 0)
        for each in valid:
            days = (each.not_after_us - now_us) // DAY_US
            numbers[next((at for at in EXPIRY_BOUNDS_DAYS if days < at), None)] += 1
        renewed = {each.renews for each in self._now().certificates.values()}
        late = [
            each
            for each in valid
            if (each.not_after_us - now_us) * 3 < each.not_after_us - each.not_before_us
            and each.source is not CertificateSource.INTERNAL
            and each.id not in renewed
        ]
        return Expiries(by_days=tuple(numbers.items()), past_renewal=len(late))

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


def _activity(events: Sequence[AuditEvent]) -> Activity:
    def total(is_one: Callable[[AuditAction, Outcome], bool]) -> int:
        return sum(each.count for each in events if is_one(each.action, each.outcome))

    return Activity(
        enrolled=total(lambda action, _: action is AuditAction.SIMPLE_ENROLL_SUCCESS),
        renewed=total(lambda action, _: action is AuditAction.SIMPLE_REENROLL_SUCCESS),
        refused=total(lambda _, outcome: outcome is Outcome.FAILURE),
    )
