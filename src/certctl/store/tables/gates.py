"""What the gates count, and what waits: lock-outs, limits, requests, intents."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from certctl.store.tables.base import Integer64, metadata

# Sources with failed passwords (est §3); a success removes the row.
lockouts: Final = Table(
    "lockouts",
    metadata,
    Column("source", Text, nullable=False),
    Column("failures", Integer64, nullable=False),
    Column("window_began_us", Integer64, nullable=False),
    PrimaryKeyConstraint("source"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

Index(None, lockouts.c.window_began_us)

# The sliding window of policy §5: one row per principal, ``hits`` its times, eight octets
# each (big endian microseconds), oldest first. One row, so that two nodes meet on its lock.
limits: Final = Table(
    "limits",
    metadata,
    Column("key", LargeBinary, nullable=False),
    Column("hits", LargeBinary, nullable=False),
    Column("newest_us", Integer64, nullable=False),
    PrimaryKeyConstraint("key"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

Index(None, limits.c.newest_us)

# Requests that wait for an operator, or waited (policy §5). ``key`` is the repetition key.
requests: Final = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("expires_us", Integer64, nullable=False),
    Column("profile", Text, nullable=False),
    Column("certificate_profile", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("auth_mode", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sans", Text, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("approvals_needed", Integer64, nullable=False),
    Column("csr_der", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("certificate_id", Text),
    Column("tenant", Text),
    UniqueConstraint("key"),
    CheckConstraint("status IN ('waiting', 'approved', 'denied', 'issued')", name="status"),
    sqlite_strict=True,
)

Index(None, requests.c.status, requests.c.id)

Index(None, requests.c.expires_us)

# Who decided what about a waiting request: nobody twice.
decisions: Final = Table(
    "decisions",
    metadata,
    Column("request_id", Text, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("approved", Integer64, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_us", Integer64, nullable=False),
    PrimaryKeyConstraint("request_id", "actor"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# Calls of CAs outside (records §2). ``open_key`` is the repetition key while the intent is
# open and NULL after: its uniqueness is what makes one request one call.
intents: Final = Table(
    "intents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("open_key", LargeBinary),
    Column("status", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("deadline_us", Integer64, nullable=False),
    Column("closed_us", Integer64),
    Column("issuer_id", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("source_address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("certificate_id", Text),
    Column("told_us", Integer64),
    Column("tenant", Text),
    Column("order_octets", LargeBinary, nullable=False),
    UniqueConstraint("open_key"),
    CheckConstraint(
        "status IN ('open', 'issued', 'refused', 'failed', 'lost', 'orphan')", name="status"
    ),
    CheckConstraint("(status = 'open') = (open_key IS NOT NULL)", name="open_key"),
    sqlite_strict=True,
)

Index(None, intents.c.key, intents.c.id)

Index(None, intents.c.status, intents.c.deadline_us)
