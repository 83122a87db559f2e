"""What is counted beforehand, so that no page walks over the records."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from certctl.store.tables.base import Integer64, metadata

# One row for each kind of ``domain.figures.Figures``; ``document`` is JSON.
figures: Final = Table(
    "figures",
    metadata,
    Column("name", Text, nullable=False),
    Column("made_us", Integer64, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# ``domain.figures.ActivitySlot``; an empty tenant is none.
activity_slots: Final = Table(
    "activity_slots",
    metadata,
    Column("begins_us", Integer64, nullable=False),
    Column("profile", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("enrolled", Integer64, nullable=False),
    Column("renewed", Integer64, nullable=False),
    Column("refused", Integer64, nullable=False),
    PrimaryKeyConstraint("begins_us", "profile", "tenant"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
