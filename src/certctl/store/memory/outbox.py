"""Events on their way to channels, and how far notices have come."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import replace

from certctl.domain.certificates import CertificateRecord, CertificateSource, CertificateStatus
from certctl.domain.events import Delivery, DeliveryStatus, NoticeMark
from certctl.domain.ports import DuplicateKey
from certctl.store.memory.base import Reads, Writes
from certctl.store.memory.tables import Tables
from certctl.wire.identity import comparable_names


class OutboxReads(Reads):
    """``ports.events.OutboxReads``."""

    def due_deliveries(self, channel: str, now_us: int, limit: int) -> Sequence[Delivery]:
        waiting = [
            each
            for each in self._now().outbox.values()
            if each.channel == channel and each.status is DeliveryStatus.WAITING
        ]
        first: dict[str, int] = {}
        for each in waiting:
            first[each.subject] = min(each.made_us, first.get(each.subject, each.made_us))
        due = [
            each for each in waiting if each.at_us <= now_us and each.made_us <= first[each.subject]
        ]
        return sorted(due, key=lambda each: (each.at_us, each.made_us))[:limit]

    def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        rows = self._now().outbox
        return [
            rows[key]
            for key in sorted(rows)
            if (after is None or key > after) and status in (None, rows[key].status)
        ][:limit]

    def deliveries_of(self, event_id: str) -> Sequence[Delivery]:
        rows = self._now().outbox
        return [rows[key] for key in sorted(rows) if key[0] == event_id]

    def outbox_depth(self) -> Mapping[tuple[str, DeliveryStatus], int]:
        return Tally(
            (row.channel, row.status)
            for row in self._now().outbox.values()
            if row.status is not DeliveryStatus.DELIVERED
        )

    def notice_marks(self) -> Mapping[str, NoticeMark]:
        return dict(self._now().marks)

    def expiring_certificates(
        self, after: NoticeMark, until_us: int, limit: int
    ) -> Sequence[tuple[str, int]]:
        tables = self._now()
        keys = sorted((row.not_after_us, row.id) for row in tables.certificates.values())
        return [
            (certificate_id, not_after_us)
            for not_after_us, certificate_id in keys
            if (after.at_us, after.id) < (not_after_us, certificate_id)
            and not_after_us <= until_us
            and _is_of_use(tables, tables.certificates[certificate_id])
        ][:limit]


class OutboxWrites(Writes):
    """``ports.events.OutboxWrites``."""

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        rows = self._open().outbox
        for each in deliveries:
            if (each.event_id, each.channel) in rows:
                raise self._failed(DuplicateKey("outbox"))
            rows[each.event_id, each.channel] = each

    def settle_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        rows = self._open().outbox
        for each in deliveries:
            key = (each.event_id, each.channel)
            if key in rows and rows[key].status is DeliveryStatus.WAITING:
                rows[key] = replace(
                    rows[key],
                    status=each.status,
                    at_us=each.at_us,
                    attempts=each.attempts,
                    error=each.error,
                )

    def requeue_deliveries(
        self, event_id: str | None, channel: str | None, now_us: int, most: int
    ) -> int:
        rows = self._open().outbox
        dead = [
            key
            for key, row in rows.items()
            if row.status is DeliveryStatus.DEAD
            and event_id in (None, row.event_id)
            and channel in (None, row.channel)
        ]
        chosen = sorted(dead, key=lambda key: rows[key].at_us)[:most]
        for key in chosen:
            rows[key] = replace(rows[key], status=DeliveryStatus.WAITING, at_us=now_us, attempts=0)
        return len(chosen)

    def purge_delivered(self, before_us: int, most: int) -> int:
        rows = self._open().outbox
        old = [
            key
            for key, row in rows.items()
            if row.status is DeliveryStatus.DELIVERED and row.at_us < before_us
        ][:most]
        for key in old:
            del rows[key]
        return len(old)

    def notice_mark(self, name: str) -> NoticeMark | None:
        return self._open().marks.get(name)

    def put_notice_mark(self, mark: NoticeMark) -> None:
        self._open().marks[mark.name] = mark


def _is_of_use(tables: Tables, record: CertificateRecord) -> bool:
    """Valid, a client's, and not renewed."""
    if record.status is not CertificateStatus.VALID or record.source is CertificateSource.INTERNAL:
        return False
    names = comparable_names(record.subject_der, record.san_der)
    return not any(
        each.status is CertificateStatus.VALID
        and (
            each.renews == record.id
            or (
                each.profile == record.profile
                and each.not_after_us > record.not_after_us
                and comparable_names(each.subject_der, each.san_der) == names
            )
        )
        for each in tables.certificates.values()
    )
