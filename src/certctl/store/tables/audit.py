"""Audit events, checkpoints and counters."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from certctl.store.tables.base import Integer64, few, metadata

# One chain per node; a row is never changed (triggers, see the migration).
audit_events: Final = Table(
    "audit_events",
    metadata,
    Column("node", Text, nullable=False),
    Column("seq", Integer64, nullable=False),
    Column("id", Text, nullable=False),
    Column("time_us", Integer64, nullable=False),
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
    Column("count", Integer64, nullable=False),
    Column("details", Text, nullable=False),
    Column("tenant", Text),
    Column("previous_digest", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("node", "seq"),
    CheckConstraint("seq > 0", name="seq"),
    CheckConstraint("length(digest) = 32", name="digest"),
    sqlite_strict=True,
)

# One certificate's trail; it grows at one end but for revocations.
few(
    "ix_audit_events_certificate",
    "resource_type = 'certificate'",
    audit_events.c.resource_id,
)

# Lists for people are in order of id, newest first; ids rise, so the index grows at its end.
Index(None, audit_events.c.id)

# Signed seals over all audit chains (records §5); never changed (triggers).
checkpoints: Final = Table(
    "checkpoints",
    metadata,
    Column("number", Integer64, nullable=False),
    Column("made_us", Integer64, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("heads", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    PrimaryKeyConstraint("number"),
    sqlite_strict=True,
)

counters: Final = Table(
    "counters",
    metadata,
    Column("profile", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("n", Integer64, nullable=False),
    PrimaryKeyConstraint("profile", "label", "node"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# What stands where audit events were dropped (records §5); never changed (triggers).
audit_stubs: Final = Table(
    "audit_stubs",
    metadata,
    Column("node", Text, nullable=False),
    Column("first_seq", Integer64, nullable=False),
    Column("last_seq", Integer64, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("checkpoint", Integer64, nullable=False),
    Column("dropped_us", Integer64, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    PrimaryKeyConstraint("node", "last_seq"),
    CheckConstraint("first_seq > 0 AND last_seq >= first_seq", name="range"),
    sqlite_strict=True,
)
