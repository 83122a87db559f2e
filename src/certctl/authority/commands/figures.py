"""Commands of the jobs that count beforehand, see ``domain.figures``."""

from __future__ import annotations

import msgspec

from certctl.domain.figures import ActivitySlot, ActivitySpan, AuditProof, InventoryFigures


class RecordInventory(msgspec.Struct, frozen=True, kw_only=True, tag="record_inventory"):
    """The certificates were counted. Answer: ``FiguresRecorded``."""

    fence: int
    figures: InventoryFigures


class RecordActivity(msgspec.Struct, frozen=True, kw_only=True, tag="record_activity"):
    """Activity was counted up to the end of the span. Answer: ``FiguresRecorded``.

    ``slots`` are those from ``counted_from_us`` on; what begins before the span is dropped.
    """

    fence: int
    span: ActivitySpan
    counted_from_us: int
    slots: tuple[ActivitySlot, ...]


class RecordAuditProof(msgspec.Struct, frozen=True, kw_only=True, tag="record_audit_proof"):
    """The audit trail was verified. Answer: ``FiguresRecorded``."""

    fence: int
    proof: AuditProof


class FiguresRecorded(msgspec.Struct, frozen=True, tag="figures_recorded"):
    pass


FigureCommand = RecordInventory | RecordActivity | RecordAuditProof
