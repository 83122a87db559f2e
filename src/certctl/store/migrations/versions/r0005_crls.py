"""Tables of the CRLs, and the indexes of revoked certificates they are made from."""

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
    text,
)

revision = "0005"
down_revision = "0004"

REVOKED = text("status = 'revoked'")
HELD = text("status = 'revoked' AND revocation_reason = 'certificateHold'")


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_index(
        "ix_certificates_crl",
        "certificates",
        ["issuer_id", "revoked_us", "serial", "not_after_us", "revocation_reason", "status"],
        sqlite_where=REVOKED,
        postgresql_where=REVOKED,
    )
    op.create_index(
        "ix_certificates_held",
        "certificates",
        ["issuer_id", "status", "revocation_reason"],
        sqlite_where=HELD,
        postgresql_where=HELD,
    )
    op.create_table(
        "crls",
        Column("issuer_id", Text, nullable=False),
        Column("number", integer64, nullable=False),
        Column("this_update_us", integer64, nullable=False),
        Column("next_update_us", integer64, nullable=False),
        Column("scheduled_us", integer64, nullable=False),
        Column("stamp", Text, nullable=False),
        Column("front", LargeBinary, nullable=False),
        Column("back", LargeBinary, nullable=False),
        Column("parts", integer64, nullable=False),
        Column("size", integer64, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        PrimaryKeyConstraint("issuer_id", name="pk_crls"),
        CheckConstraint("length(digest) = 32", name="ck_crls_digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "crl_parts",
        Column("issuer_id", Text, nullable=False),
        Column("number", integer64, nullable=False),
        Column("part", integer64, nullable=False),
        Column("octets", LargeBinary, nullable=False),
        PrimaryKeyConstraint("issuer_id", "number", "part", name="pk_crl_parts"),
        sqlite_strict=True,
    )
