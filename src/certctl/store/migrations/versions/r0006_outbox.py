"""Events for other systems: their outbox, and marks of notices."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    PrimaryKeyConstraint,
    Text,
)

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "outbox",
        Column("event_id", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("made_us", integer64, nullable=False),
        Column("at_us", integer64, nullable=False),
        Column("attempts", integer64, nullable=False),
        Column("error", Text, nullable=False),
        Column("body", Text, nullable=False),
        PrimaryKeyConstraint("event_id", "channel", name="pk_outbox"),
        CheckConstraint(
            "status IN ('waiting', 'delivered', 'dead')", name="ck_outbox_status"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_outbox_status_at_us_channel", "outbox", ["status", "at_us", "channel"])
    op.create_index(
        "ix_outbox_channel_subject_made_us", "outbox", ["channel", "subject", "made_us"]
    )
    op.create_table(
        "notice_marks",
        Column("name", Text, nullable=False),
        Column("at_us", integer64, nullable=False),
        Column("id", Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_notice_marks"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
