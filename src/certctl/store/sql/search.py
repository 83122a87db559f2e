"""What people look for: pages, totals and figures of what a key may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certctl.domain.api_keys import Visible
from certctl.domain.approval import RequestStatus, WaitingRequest
from certctl.domain.audit import RecordedEvent
from certctl.domain.search import MOST_COUNTED, Activity, AuditPage, AuditQuery, Expiries, Page
from certctl.store.queries import search, statistics
from certctl.store.sql.base import Reads


class SearchReads(Reads):
    """``ports.reads.SearchReads``."""

    def audit_page(self, query: AuditQuery, page: Page) -> AuditPage:
        return self._ask(search.audit_page, query, page)

    def audit_total(self, query: AuditQuery, most: int = MOST_COUNTED) -> int | None:
        return self._ask(search.audit_total, query, most)

    def events_since(self, seen: Mapping[str, int], limit: int) -> Sequence[RecordedEvent]:
        return self._ask(search.events_since, seen, limit)

    def checkpoint_total(self) -> int:
        return self._ask(search.checkpoint_total)

    def audit_event(self, event_id: str, visible: Visible) -> RecordedEvent | None:
        return self._ask(search.audit_event, event_id, visible)

    def certificate_total(self, visible: Visible, most: int = MOST_COUNTED) -> int:
        return self._ask(search.certificate_total, visible, most)

    def request_page(
        self, status: RequestStatus | None, visible: Visible, page: Page
    ) -> Sequence[WaitingRequest]:
        return self._ask(search.request_page, status, visible, page)

    def request_total(
        self, status: RequestStatus | None, visible: Visible, most: int = MOST_COUNTED
    ) -> int:
        return self._ask(search.request_total, status, visible, most)

    def activity(self, since_us: int, visible: Visible) -> Activity:
        return self._ask(statistics.activity, since_us, visible)

    def activity_by_hour(self, since_us: int, visible: Visible) -> Mapping[int, Activity]:
        return self._ask(statistics.activity_by_hour, since_us, visible)

    def expiries(self, now_us: int, visible: Visible) -> Expiries | None:
        return self._ask(statistics.expiries, now_us, visible)
