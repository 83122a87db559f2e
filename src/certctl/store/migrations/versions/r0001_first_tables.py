"""The first tables: certificates, audit events, counters, repetitions, CA, meta.

A migration is history: later changes of ``store.tables`` never change this file.
"""

from __future__ import annotations

from alembic import op
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
)

from certctl.store.migrations.append_only import append_only

revision = "0001"
down_revision = None


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "certificates",
        Column("id", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("not_before_us", integer64, nullable=False),
        Column("not_after_us", integer64, nullable=False),
        Column("issued_us", integer64, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("serial", LargeBinary, nullable=False),
        Column("issuer_id", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("subject_key", LargeBinary, nullable=False),
        Column("subject_der", LargeBinary, nullable=False),
        Column("san_der", LargeBinary, nullable=False),
        Column("certificate_profile", Text, nullable=False),
        Column("principal", Text, nullable=False),
        Column("auth_mode", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("sans", Text, nullable=False),
        Column("key_algorithm", Text, nullable=False),
        Column("spki_sha256", LargeBinary, nullable=False),
        Column("source", Text, nullable=False),
        Column("source_address", Text, nullable=False),
        Column("tls_version", Text, nullable=False),
        Column("channel_binding", Text, nullable=False),
        Column("renews", Text),
        Column("revoked_us", integer64),
        Column("revocation_reason", Text),
        Column("tenant", Text),
        Column("csr_sha256", LargeBinary, nullable=False),
        Column("der", LargeBinary, nullable=False),
        Column("csr_der", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_certificates"),
        UniqueConstraint("serial", "issuer_id", name="uq_certificates_serial_issuer_id"),
        CheckConstraint("length(serial) = 20", name="ck_certificates_serial"),
        CheckConstraint("length(fingerprint) = 32", name="ck_certificates_fingerprint"),
        CheckConstraint("status IN ('valid', 'revoked')", name="ck_certificates_status"),
        sqlite_strict=True,
    )
    op.create_index("ix_certificates_subject_key_id", "certificates", ["subject_key", "id"])

    op.create_table(
        "audit_events",
        Column("node", Text, nullable=False),
        Column("seq", integer64, nullable=False),
        Column("id", Text, nullable=False),
        Column("time_us", integer64, nullable=False),
        Column("actor", Text, nullable=False),
        Column("actor_type", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("resource_type", Text, nullable=False),
        Column("resource_id", Text, nullable=False),
        Column("source_address", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("auth_mode", Text, nullable=False),
        Column("client_certificate_subject", Text, nullable=False),
        Column("client_certificate_serial", Text, nullable=False),
        Column("tls_version", Text, nullable=False),
        Column("count", integer64, nullable=False),
        Column("details", Text, nullable=False),
        Column("tenant", Text),
        Column("previous_digest", LargeBinary, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        PrimaryKeyConstraint("node", "seq", name="pk_audit_events"),
        CheckConstraint("seq > 0", name="ck_audit_events_seq"),
        CheckConstraint("length(digest) = 32", name="ck_audit_events_digest"),
        sqlite_strict=True,
    )
    append_only("audit_events", "audit events")

    op.create_table(
        "counters",
        Column("profile", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("node", Text, nullable=False),
        Column("n", integer64, nullable=False),
        PrimaryKeyConstraint("profile", "label", "node", name="pk_counters"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repetitions",
        Column("key", LargeBinary, nullable=False),
        Column("certificate_id", Text, nullable=False),
        Column("expires_us", integer64, nullable=False),
        PrimaryKeyConstraint("key", name="pk_repetitions"),
        ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name="fk_repetitions_certificate_id"
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ca",
        Column("issuer_id", Text, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        PrimaryKeyConstraint("issuer_id", name="pk_ca"),
        CheckConstraint("length(fingerprint) = 32", name="ck_ca_fingerprint"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        Column("name", Text, nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_meta"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
