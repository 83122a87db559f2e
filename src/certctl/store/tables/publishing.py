"""What is told to others: events on their way, notices, CRLs."""

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

# Events on their way to channels (records §7): one row per event and channel. ``at_us`` is
# when a waiting one is due, and since when another is what it is.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("event_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("made_us", Integer64, nullable=False),
    Column("at_us", Integer64, nullable=False),
    Column("attempts", Integer64, nullable=False),
    Column("error", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("event_id", "channel"),
    CheckConstraint("status IN ('waiting', 'delivered', 'dead')", name="status"),
    sqlite_strict=True,
)

# What is due, what can be purged, and how much of it there is.
Index(None, outbox.c.status, outbox.c.at_us, outbox.c.channel)

# Whether an earlier one of the same subject still waits.
Index(None, outbox.c.channel, outbox.c.subject, outbox.c.made_us)

# How far notices of what expires soon have come.
notice_marks: Final = Table(
    "notice_marks",
    metadata,
    Column("name", Text, nullable=False),
    Column("at_us", Integer64, nullable=False),
    Column("id", Text, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# The newest CRL of each scope (domain.crl.crl_scope), and the octets of its TBSCertList in
# pieces: what signs it stands around them. A piece of a CRL not published yet is nobody's.
crls: Final = Table(
    "crls",
    metadata,
    Column("scope", Text, nullable=False),
    Column("number", Integer64, nullable=False),
    Column("before", Integer64, nullable=False),
    Column("this_update_us", Integer64, nullable=False),
    Column("next_update_us", Integer64, nullable=False),
    Column("scheduled_us", Integer64, nullable=False),
    Column("listed_us", Integer64, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("front", LargeBinary, nullable=False),
    Column("back", LargeBinary, nullable=False),
    Column("parts", Integer64, nullable=False),
    Column("size", Integer64, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("scope"),
    CheckConstraint("length(digest) = 32", name="digest"),
    sqlite_strict=True,
)

# See domain.crl_partitions.
crl_partitions: Final = Table(
    "crl_partitions",
    metadata,
    Column("number", Integer64, nullable=False),
    Column("base", Text, nullable=False),
    Column("until_us", Integer64),
    Column("ended_us", Integer64),
    PrimaryKeyConstraint("number"),
    CheckConstraint("number > 0", name="number"),
    sqlite_strict=True,
)

crl_parts: Final = Table(
    "crl_parts",
    metadata,
    Column("scope", Text, nullable=False),
    Column("number", Integer64, nullable=False),
    Column("part", Integer64, nullable=False),
    Column("octets", LargeBinary, nullable=False),
    PrimaryKeyConstraint("scope", "number", "part"),
    sqlite_strict=True,
)
