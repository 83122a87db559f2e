"""What nodes know: CAs, names, certificate profiles, API keys, jobs."""

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

from certctl.store.tables.base import Integer64, metadata

# Which CA certificate (SHA-256) an issuer id stands for: never a second CA.
ca: Final = Table(
    "ca",
    metadata,
    Column("issuer_id", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("issuer_id"),
    CheckConstraint("length(fingerprint) = 32", name="fingerprint"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

meta: Final = Table(
    "meta",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Certificate profiles made through the API (policy §1); ``document`` is JSON.
certificate_profiles: Final = Table(
    "certificate_profiles",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer64, nullable=False),
    Column("document", Text, nullable=False),
    Column("changed_us", Integer64, nullable=False),
    PrimaryKeyConstraint("id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Keys of the management API (operator §1); never the key itself. ``profiles`` is JSON.
api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("tenant", Text),
    Column("profiles", Text, nullable=False),
    Column("expires_us", Integer64),
    Column("revoked_us", Integer64),
    PrimaryKeyConstraint("id"),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="role"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# What a write of the API answered, for whoever asks again with its Idempotency-Key.
kept_answers: Final = Table(
    "kept_answers",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("result", LargeBinary, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    PrimaryKeyConstraint("key"),
    CheckConstraint("length(key) = 32", name="key"),
    CheckConstraint("length(request) = 32", name="request"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

Index(None, kept_answers.c.expires_us)

# Who is logged in to the web pages (operator §2).
sessions: Final = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("opened_us", Integer64, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    PrimaryKeyConstraint("digest"),
    CheckConstraint("length(digest) = 32", name="digest"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
Index(None, sessions.c.expires_us)

# Who runs which job, and since when it last ran (records §8).
leases: Final = Table(
    "leases",
    metadata,
    Column("job", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("fence", Integer64, nullable=False),
    Column("until_us", Integer64, nullable=False),
    Column("last_run_us", Integer64, nullable=False),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("job"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
