"""Keep what was counted beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, insert, text
from sqlalchemy.engine import Connection

from certctl.domain.figures import ActivitySlot, Figures
from certctl.store.figure_rows import NAMES, document_of
from certctl.store.tables import activity_slots

_s = activity_slots.c


def put_figures(connection: Connection, figures: Figures) -> None:
    """In place of those of the same kind."""
    connection.execute(
        text(
            """
INSERT INTO figures (name, made_us, document) VALUES (:name, :made_us, :document)
ON CONFLICT (name) DO UPDATE
SET made_us = excluded.made_us, document = excluded.document"""
        ),
        {
            "name": NAMES[type(figures)],
            "made_us": figures.made_us,
            "document": document_of(figures),
        },
    )


def put_slots(connection: Connection, begins_us: int, slots: Sequence[ActivitySlot]) -> None:
    """Slots from a time on, in place of all that stand there."""
    connection.execute(delete(activity_slots).where(_s.begins_us >= begins_us))
    if slots:
        connection.execute(insert(activity_slots), [asdict(each) for each in slots])


def forget_slots(connection: Connection, before_us: int) -> None:
    connection.execute(delete(activity_slots).where(_s.begins_us < before_us))
