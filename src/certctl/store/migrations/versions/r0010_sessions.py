"""Sessions of the web pages."""

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

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "sessions",
        Column("digest", LargeBinary, nullable=False),
        Column("key_id", Text, nullable=False),
        Column("opened_us", integer64, nullable=False),
        Column("expires_us", integer64, nullable=False),
        PrimaryKeyConstraint("digest", name="pk_sessions"),
        CheckConstraint("length(digest) = 32", name="ck_sessions_digest"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sessions_expires_us", "sessions", ["expires_us"])
