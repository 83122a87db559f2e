"""Tables of the management API: keys, and answers kept for repeated writes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
)

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_index("ix_audit_events_id", "audit_events", ["id"])
    op.create_table(
        "api_keys",
        Column("id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("created_us", integer64, nullable=False),
        Column("created_by", Text, nullable=False),
        Column("tenant", Text),
        Column("profiles", Text, nullable=False),
        Column("expires_us", integer64),
        Column("revoked_us", integer64),
        PrimaryKeyConstraint("id", name="pk_api_keys"),
        CheckConstraint("length(digest) = 32", name="ck_api_keys_digest"),
        CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="ck_api_keys_role"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_answers",
        Column("key", LargeBinary, nullable=False),
        Column("request", LargeBinary, nullable=False),
        Column("result", LargeBinary, nullable=False),
        Column("expires_us", integer64, nullable=False),
        PrimaryKeyConstraint("key", name="pk_kept_answers"),
        CheckConstraint("length(key) = 32", name="ck_kept_answers_key"),
        CheckConstraint("length(request) = 32", name="ck_kept_answers_request"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_kept_answers_expires_us", "kept_answers", ["expires_us"])
