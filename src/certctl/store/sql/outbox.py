"""Events on their way to channels, and how far notices have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certctl.domain.events import Delivery, DeliveryStatus, NoticeMark
from certctl.store.commands import outbox
from certctl.store.queries import outbox as outbox_queries
from certctl.store.sql.base import Reads, Writes


class OutboxReads(Reads):
    """``ports.events.OutboxReads``."""

    def due_deliveries(self, channel: str, now_us: int, limit: int) -> Sequence[Delivery]:
        return self._ask(outbox_queries.due, channel, now_us, limit)

    def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        return self._ask(outbox_queries.page, status, after, limit)

    def deliveries_of(self, event_id: str) -> Sequence[Delivery]:
        return self._ask(outbox_queries.of_event, event_id)

    def outbox_depth(self) -> Mapping[tuple[str, DeliveryStatus], int]:
        return self._ask(outbox_queries.depth)

    def notice_marks(self) -> Mapping[str, NoticeMark]:
        return self._ask(outbox_queries.marks)

    def expiring_certificates(
        self, after: NoticeMark, until_us: int, limit: int
    ) -> Sequence[tuple[str, int]]:
        return self._ask(outbox_queries.expiring, after, until_us, limit)


class OutboxWrites(Writes):
    """``ports.events.OutboxWrites``."""

    __slots__ = ()

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        self._run(outbox.add_deliveries, deliveries)

    def settle_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        self._run(outbox.settle_deliveries, deliveries)

    def requeue_deliveries(
        self, event_id: str | None, channel: str | None, now_us: int, most: int
    ) -> int:
        return self._run(outbox.requeue_deliveries, event_id, channel, now_us, most)

    def purge_delivered(self, before_us: int, most: int) -> int:
        return self._run(outbox.purge_delivered, before_us, most)

    def notice_mark(self, name: str) -> NoticeMark | None:
        return self._run(outbox_queries.mark, name)

    def put_notice_mark(self, mark: NoticeMark) -> None:
        self._run(outbox.put_notice_mark, mark)
