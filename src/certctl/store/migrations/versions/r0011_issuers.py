"""Issuers kept in the store (issuers §4)."""

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

revision = "0011"
down_revision = "0012"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "issuers",
        Column("id", Text, nullable=False),
        Column("version", integer64, nullable=False),
        Column("type", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("key_type", Text, nullable=False),
        Column("validity_s", integer64, nullable=False),
        Column("created_us", integer64, nullable=False),
        Column("created_by", Text, nullable=False),
        Column("changed_us", integer64, nullable=False),
        Column("chain", LargeBinary, nullable=False),
        Column("csr", LargeBinary, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_issuers"),
        CheckConstraint(
            "state IN ('pending', 'enabled', 'disabled', 'deleted')", name="ck_issuers_state"
        ),
        CheckConstraint(
            "(state = 'deleted') = (length(sealed) = 0)", name="ck_issuers_sealed"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issuer_trials",
        Column("issuer_id", Text, nullable=False),
        Column("tested_us", integer64, nullable=False),
        Column("took_us", integer64, nullable=False),
        Column("tried", Text, nullable=False),
        Column("problem", Text, nullable=False),
        Column("remedy", Text, nullable=False),
        PrimaryKeyConstraint("issuer_id", name="pk_issuer_trials"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
