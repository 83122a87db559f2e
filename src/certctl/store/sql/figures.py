"""What is counted beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.figures import (
    ActivitySlot,
    ActivitySpan,
    AuditProof,
    Figures,
    InventoryFigures,
    InventoryPart,
)
from certctl.store.commands import figures as commands
from certctl.store.queries import figures as queries
from certctl.store.sql.base import Reads, Writes


class FigureReads(Reads):
    """``ports.reads.FigureReads``."""

    def inventory_figures(self) -> InventoryFigures | None:
        return self._ask(queries.inventory_figures)

    def activity_span(self) -> ActivitySpan | None:
        return self._ask(queries.activity_span)

    def audit_proof(self) -> AuditProof | None:
        return self._ask(queries.audit_proof)

    def expiry_bound(self, after_us: int, most: int) -> int | None:
        return self._ask(queries.expiry_bound, after_us, most)

    def inventory_parts(
        self, now_us: int, from_us: int, until_us: int | None
    ) -> Sequence[InventoryPart]:
        return self._ask(queries.inventory_parts, now_us, from_us, until_us)

    def counted_slots(self, from_us: int, until_us: int) -> Sequence[ActivitySlot]:
        return self._ask(queries.counted_slots, from_us, until_us)

    def recorded_since(self, since_us: int, most: int) -> int:
        return self._ask(queries.recorded_since, since_us, most)


class FigureWrites(Writes):
    """``ports.writes.FigureWrites``."""

    __slots__ = ()

    def put_figures(self, figures: Figures) -> None:
        self._run(commands.put_figures, figures)

    def put_slots(self, begins_us: int, slots: Sequence[ActivitySlot]) -> None:
        self._run(commands.put_slots, begins_us, slots)

    def forget_slots(self, before_us: int) -> None:
        self._run(commands.forget_slots, before_us)
