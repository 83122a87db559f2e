"""Partitions of CRLs: which there are, and which one a certificate is of."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)

revision = "0014"
down_revision = "0011"

IN_PARTITION = text("status = 'revoked' AND crl_partition IS NOT NULL")


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.add_column("certificates", Column("crl_partition", integer64))
    op.create_index(
        "ix_certificates_crl_partition",
        "certificates",
        [
            "issuer_id",
            "crl_partition",
            "revoked_us",
            "serial",
            "not_after_us",
            "revocation_reason",
            "status",
        ],
        sqlite_where=IN_PARTITION,
        postgresql_where=IN_PARTITION,
    )
    op.create_table(
        "crl_partitions",
        Column("number", integer64, nullable=False),
        Column("base", Text, nullable=False),
        Column("until_us", integer64),
        Column("ended_us", integer64),
        PrimaryKeyConstraint("number", name="pk_crl_partitions"),
        CheckConstraint("number > 0", name="ck_crl_partitions_number"),
        sqlite_strict=True,
    )
