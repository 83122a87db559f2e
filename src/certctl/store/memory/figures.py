"""What is counted beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from certctl.domain.api_keys import Visible
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.clock import DAY_US
from certctl.domain.figures import (
    SLOT_US,
    ActivitySlot,
    ActivitySpan,
    AuditProof,
    Figures,
    InventoryFigures,
    InventoryPart,
)
from certctl.domain.ids import oldest_id
from certctl.domain.search import EXPIRY_BOUNDS_DAYS, Activity
from certctl.store.memory.base import Reads, Writes
from certctl.store.memory.tables import is_valid

Kind = TypeVar("Kind", InventoryFigures, ActivitySpan, AuditProof)


class FigureReads(Reads):
    """``ports.reads.FigureReads``."""

    def inventory_figures(self) -> InventoryFigures | None:
        return self._figures(InventoryFigures)

    def activity_span(self) -> ActivitySpan | None:
        return self._figures(ActivitySpan)

    def audit_proof(self) -> AuditProof | None:
        return self._figures(AuditProof)

    def expiry_bound(self, after_us: int, most: int) -> int | None:
        rows = self._now().certificates.values()
        ends = sorted(each.not_after_us for each in rows if each.not_after_us >= after_us)
        return next((end for end in ends[most:] if end > after_us), None)

    def inventory_parts(
        self, now_us: int, from_us: int, until_us: int | None
    ) -> Sequence[InventoryPart]:
        rows = self._now().certificates.values()
        renewed = {each.renews for each in rows}
        parts: dict[tuple[str, str], list[CertificateRecord]] = {}
        for each in rows:
            within = from_us <= each.not_after_us and (until_us or each.not_after_us + 1) > (
                each.not_after_us
            )
            if within and is_valid(each, now_us):
                parts.setdefault((each.profile, each.tenant or ""), []).append(each)
        return [
            InventoryPart(
                profile=profile,
                tenant=tenant,
                by_days=_by_days(some, now_us),
                past_renewal=sum(
                    (each.not_after_us - now_us) * 3 < each.not_after_us - each.not_before_us
                    and each.source is not CertificateSource.INTERNAL
                    and each.id not in renewed
                    for each in some
                ),
            )
            for (profile, tenant), some in sorted(parts.items())
        ]

    def counted_slots(self, from_us: int, until_us: int) -> Sequence[ActivitySlot]:
        found = []
        for begins_us in range(from_us, until_us, SLOT_US):
            parts: dict[tuple[str, str], list[AuditEvent]] = {}
            for each in self._recorded(begins_us, begins_us + SLOT_US):
                parts.setdefault((each.profile, each.tenant or ""), []).append(each)
            for (profile, tenant), some in sorted(parts.items()):
                one = activity_of(some)
                found.append(
                    ActivitySlot(
                        begins_us=begins_us,
                        profile=profile,
                        tenant=tenant,
                        enrolled=one.enrolled,
                        renewed=one.renewed,
                        refused=one.refused,
                    )
                )
        return found

    def recorded_since(self, since_us: int, most: int) -> int:
        first = oldest_id(max(0, since_us))
        return min(most, sum(each.id >= first for each in self._now().events.values()))

    def _between(self, from_us: int, until_us: int | None, visible: Visible) -> Activity:
        """As ``store.queries.figures.activity_between``."""
        span = self.activity_span()
        first = last = from_us
        if span is not None:
            first = max(span.from_us, -(-from_us // SLOT_US) * SLOT_US)
            last = min(span.until_us, until_us or span.until_us) // SLOT_US * SLOT_US
        slots = [
            each
            for each in self._now().slots.values()
            if first <= each.begins_us < last
            and visible.covers(tenant=each.tenant or None, profile=each.profile)
        ]
        spans: list[tuple[int, int | None]] = [(from_us, first), (last, until_us)]
        if first >= last:
            slots, spans = [], [(from_us, until_us)]
        by_hand = activity_of(
            each
            for begin_us, end_us in spans
            for each in self._recorded(begin_us, end_us)
            if visible.covers(tenant=each.tenant, profile=each.profile)
        )
        return Activity(
            enrolled=by_hand.enrolled + sum(each.enrolled for each in slots),
            renewed=by_hand.renewed + sum(each.renewed for each in slots),
            refused=by_hand.refused + sum(each.refused for each in slots),
        )

    def _recorded(self, from_us: int, until_us: int | None) -> list[AuditEvent]:
        first = oldest_id(max(0, from_us))
        last = oldest_id(until_us) if until_us is not None else "~"
        return [
            each.event
            for each in self._now().events.values()
            if first <= each.id < last and each.event.action.startswith("est_")
        ]

    def _figures(self, kind: type[Kind]) -> Kind | None:
        found = self._now().figures.get(kind)
        return found if isinstance(found, kind) else None


class FigureWrites(Writes):
    """``ports.writes.FigureWrites``."""

    def put_figures(self, figures: Figures) -> None:
        self._open().figures[type(figures)] = figures

    def put_slots(self, begins_us: int, slots: Sequence[ActivitySlot]) -> None:
        rows = self._open().slots
        for key in [key for key in rows if key[0] >= begins_us]:
            del rows[key]
        rows.update({(each.begins_us, each.profile, each.tenant): each for each in slots})

    def forget_slots(self, before_us: int) -> None:
        rows = self._open().slots
        for key in [key for key in rows if key[0] < before_us]:
            del rows[key]


def activity_of(events: Iterable[AuditEvent]) -> Activity:
    rows = list(events)

    def done(action: AuditAction) -> int:
        return sum(
            each.count
            for each in rows
            if each.action is action and each.outcome is not Outcome.FAILURE
        )

    return Activity(
        enrolled=done(AuditAction.SIMPLE_ENROLL_SUCCESS),
        renewed=done(AuditAction.SIMPLE_REENROLL_SUCCESS),
        refused=sum(each.count for each in rows if each.outcome is Outcome.FAILURE),
    )


def _by_days(some: Iterable[CertificateRecord], now_us: int) -> tuple[int, ...]:
    numbers = [0] * (len(EXPIRY_BOUNDS_DAYS) + 1)
    for each in some:
        days = (each.not_after_us - now_us) // DAY_US
        at = next((at for at, bound in enumerate(EXPIRY_BOUNDS_DAYS) if days < bound), -1)
        numbers[at] += 1
    return tuple(numbers)
