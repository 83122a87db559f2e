"""Calls of CAs outside: on record before they are made (records §2)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text
from sqlalchemy.schema import CheckConstraint, UniqueConstraint

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "intents",
        Column("id", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("open_key", LargeBinary),
        Column("status", Text, nullable=False),
        Column("owner", Text, nullable=False),
        Column("created_us", integer64, nullable=False),
        Column("deadline_us", integer64, nullable=False),
        Column("closed_us", integer64),
        Column("issuer_id", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("source_address", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("certificate_id", Text),
        Column("told_us", integer64),
        Column("tenant", Text),
        Column("order_octets", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_intents"),
        UniqueConstraint("open_key", name="uq_intents_open_key"),
        CheckConstraint(
            "status IN ('open', 'issued', 'refused', 'failed', 'lost', 'orphan')",
            name="ck_intents_status",
        ),
        CheckConstraint(
            "(status = 'open') = (open_key IS NOT NULL)", name="ck_intents_open_key"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_intents_key_id", "intents", ["key", "id"])
    op.create_index("ix_intents_status_deadline_us", "intents", ["status", "deadline_us"])
