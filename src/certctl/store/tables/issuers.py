"""Issuers that were made through the API (issuers §4)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, LargeBinary, PrimaryKeyConstraint, Table, Text

from certctl.store.tables.base import Integer64, metadata

# ``chain`` is DER, one certificate after the other; ``sealed`` the encrypted key, empty
# once the issuer is deleted. Rows stay, so that an id never stands for a second CA.
issuers: Final = Table(
    "issuers",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer64, nullable=False),
    Column("type", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("key_type", Text, nullable=False),
    Column("validity_s", Integer64, nullable=False),
    Column("created_us", Integer64, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_us", Integer64, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("csr", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("state IN ('pending', 'enabled', 'disabled', 'deleted')", name="state"),
    CheckConstraint("(state = 'deleted') = (length(sealed) = 0)", name="sealed"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

# When each issuer was last tried, of whatever origin, and what came of it.
issuer_trials: Final = Table(
    "issuer_trials",
    metadata,
    Column("issuer_id", Text, nullable=False),
    Column("tested_us", Integer64, nullable=False),
    Column("took_us", Integer64, nullable=False),
    Column("tried", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    PrimaryKeyConstraint("issuer_id"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
