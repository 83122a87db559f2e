"""Figures that are counted beforehand."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0013"
down_revision = "0010"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "figures",
        Column("name", Text, nullable=False),
        Column("made_us", integer64, nullable=False),
        Column("document", Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_figures"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_slots",
        Column("begins_us", integer64, nullable=False),
        Column("profile", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("enrolled", integer64, nullable=False),
        Column("renewed", integer64, nullable=False),
        Column("refused", integer64, nullable=False),
        PrimaryKeyConstraint("begins_us", "profile", "tenant", name="pk_activity_slots"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
