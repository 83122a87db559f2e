"""Stubs of dropped audit segments; events may be deleted where a stub stands for them.

The triggers keep hands from slipping. Who can write any SQL can write a stub too, but
cannot sign it: that is found by ``audit verify``.
"""

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
)

revision = "0007"
down_revision = "0003"

APPEND_ONLY = """
CREATE TRIGGER audit_stubs_no_{verb} BEFORE {VERB} ON audit_stubs
BEGIN
    SELECT RAISE(ABORT, 'audit stubs are append-only');
END
"""

# A stub goes on where the one before ended, and ends at an event that is there: it is
# written before its events go, in their transaction, and never again afterwards.
FITS = """
CREATE TRIGGER audit_stubs_fit BEFORE INSERT ON audit_stubs
WHEN NEW.first_seq <> 1 + coalesce(
        (SELECT max(last_seq) FROM audit_stubs WHERE node = NEW.node), 0)
    OR NOT EXISTS (
        SELECT 1 FROM audit_events
        WHERE node = NEW.node AND seq = NEW.last_seq AND digest = NEW.digest)
    OR NOT EXISTS (
        SELECT 1 FROM audit_events WHERE node = NEW.node AND seq > NEW.last_seq)
BEGIN
    SELECT RAISE(ABORT, 'an audit stub that does not fit its chain');
END
"""

COVERED = """
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
WHEN NOT EXISTS (
    SELECT 1 FROM audit_stubs
    WHERE node = OLD.node AND first_seq <= OLD.seq AND last_seq >= OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END
"""


def upgrade() -> None:
    integer64 = BigInteger().with_variant(Integer(), "sqlite")
    op.create_table(
        "audit_stubs",
        Column("node", Text, nullable=False),
        Column("first_seq", integer64, nullable=False),
        Column("last_seq", integer64, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("checkpoint", integer64, nullable=False),
        Column("dropped_us", integer64, nullable=False),
        Column("key_id", Text, nullable=False),
        Column("signature", LargeBinary, nullable=False),
        PrimaryKeyConstraint("node", "last_seq", name="pk_audit_stubs"),
        CheckConstraint("first_seq > 0 AND last_seq >= first_seq", name="ck_audit_stubs_range"),
        sqlite_strict=True,
    )
    for verb in ("update", "delete"):
        op.execute(APPEND_ONLY.format(verb=verb, VERB=verb.upper()))
    op.execute(FITS)
    op.execute("DROP TRIGGER audit_events_no_delete")
    op.execute(COVERED)
    # Certificates are dropped now, and each time what refers to them is looked for.
    op.create_index("ix_repetitions_certificate_id", "repetitions", ["certificate_id"])
