"""Tables of the gates: lock-out, limits, waiting requests, compromised keys, profiles.

Besides, certificates are found by their key, and by their names in another form: the
same name in another string type is the same name to a renewal.
"""

from __future__ import annotations

from alembic import op
from hashlib import sha256

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)

from certctl.wire.identity import comparable_names

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_index("ix_certificates_spki_sha256", "certificates", ["spki_sha256"])
    _renew_subject_keys()
    op.create_table(
        "lockouts",
        Column("source", Text, nullable=False),
        Column("failures", integer64, nullable=False),
        Column("window_began_us", integer64, nullable=False),
        PrimaryKeyConstraint("source", name="pk_lockouts"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lockouts_window_began_us", "lockouts", ["window_began_us"])
    op.create_table(
        "limits",
        Column("key", LargeBinary, nullable=False),
        Column("hits", LargeBinary, nullable=False),
        Column("newest_us", integer64, nullable=False),
        PrimaryKeyConstraint("key", name="pk_limits"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_limits_newest_us", "limits", ["newest_us"])
    op.create_table(
        "requests",
        Column("id", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("status", Text, nullable=False),
        Column("created_us", integer64, nullable=False),
        Column("expires_us", integer64, nullable=False),
        Column("profile", Text, nullable=False),
        Column("certificate_profile", Text, nullable=False),
        Column("operation", Text, nullable=False),
        Column("principal", Text, nullable=False),
        Column("auth_mode", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("sans", Text, nullable=False),
        Column("source_address", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("approvals_needed", integer64, nullable=False),
        Column("csr_der", LargeBinary, nullable=False),
        Column("note", Text, nullable=False),
        Column("certificate_id", Text),
        Column("tenant", Text),
        PrimaryKeyConstraint("id", name="pk_requests"),
        UniqueConstraint("key", name="uq_requests_key"),
        CheckConstraint(
            "status IN ('waiting', 'approved', 'denied', 'issued')", name="ck_requests_status"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_requests_expires_us", "requests", ["expires_us"])
    op.create_index("ix_requests_status_id", "requests", ["status", "id"])
    op.create_table(
        "decisions",
        Column("request_id", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("approved", integer64, nullable=False),
        Column("reason", Text, nullable=False),
        Column("decided_us", integer64, nullable=False),
        PrimaryKeyConstraint("request_id", "actor", name="pk_decisions"),
        ForeignKeyConstraint(
            ["request_id"],
            ["requests.id"],
            name="fk_decisions_request_id",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "compromised_keys",
        Column("spki_sha256", LargeBinary, nullable=False),
        Column("noted_us", integer64, nullable=False),
        PrimaryKeyConstraint("spki_sha256", name="pk_compromised_keys"),
        CheckConstraint("length(spki_sha256) = 32", name="ck_compromised_keys_spki_sha256"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "certificate_profiles",
        Column("id", Text, nullable=False),
        Column("version", integer64, nullable=False),
        Column("document", Text, nullable=False),
        Column("changed_us", integer64, nullable=False),
        PrimaryKeyConstraint("id", name="pk_certificate_profiles"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _renew_subject_keys() -> None:
    """Page by page, so that a large inventory does not have to fit into memory."""
    connection = op.get_bind()
    page = text(
        "SELECT id, subject_der, san_der FROM certificates"
        " WHERE id > :after ORDER BY id LIMIT 1000"
    )
    keep = text("UPDATE certificates SET subject_key = :key WHERE id = :id")
    after = ""
    while rows := connection.execute(page, {"after": after}).fetchall():
        keys = [
            {"id": row[0], "key": sha256(comparable_names(row[1], row[2])).digest()[:16]}
            for row in rows
        ]
        connection.execute(keep, keys)
        after = rows[-1][0]
