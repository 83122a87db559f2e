"""Figures to and from the rows of ``figures``."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from certctl.domain.figures import ActivitySpan, AuditProof, Figures, InventoryFigures

NAMES: Final = {
    InventoryFigures: "inventory",
    ActivitySpan: "activity",
    AuditProof: "audit_proof",
}

Kind = TypeVar("Kind", InventoryFigures, ActivitySpan, AuditProof)


def document_of(figures: Figures) -> str:
    return msgspec.json.encode(figures).decode()


def figures_of(kind: type[Kind], document: str | None) -> Kind | None:
    """None where there is no row, or one that another version has written."""
    if document is None:
        return None
    try:
        return msgspec.json.decode(document, type=kind)
    except msgspec.MsgspecError:
        return None
