"""Tables of the jobs: leases, and the checkpoints of the audit trail (append-only)."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Text

from certctl.store.migrations.append_only import append_only

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "checkpoints",
        Column("number", integer64, nullable=False),
        Column("made_us", integer64, nullable=False),
        Column("previous", LargeBinary, nullable=False),
        Column("heads", Text, nullable=False),
        Column("key_id", Text, nullable=False),
        Column("signature", LargeBinary, nullable=False),
        PrimaryKeyConstraint("number", name="pk_checkpoints"),
        sqlite_strict=True,
    )
    append_only("checkpoints", "checkpoints")
    op.create_table(
        "leases",
        Column("job", Text, nullable=False),
        Column("holder", Text, nullable=False),
        Column("fence", integer64, nullable=False),
        Column("until_us", integer64, nullable=False),
        Column("last_run_us", integer64, nullable=False),
        Column("outcome", Text, nullable=False),
        PrimaryKeyConstraint("job", name="pk_leases"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
