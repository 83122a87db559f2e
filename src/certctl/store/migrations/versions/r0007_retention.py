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

from certctl.store.migrations.append_only import append_only

revision = "0007"
down_revision = "0006"

# A stub goes on where the one before ended, and ends at an event that is there: it is
# written before its events go, in their transaction, and never again afterwards.
SQLITE_FITS = """
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

SQLITE_COVERED = """
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
WHEN NOT EXISTS (
    SELECT 1 FROM audit_stubs
    WHERE node = OLD.node AND first_seq <= OLD.seq AND last_seq >= OLD.seq)
BEGIN
    SELECT RAISE(ABORT, 'audit events are append-only');
END
"""

# Tables are named by the trigger's own schema: a temporary table of the same name, or
# another search path, must not stand in for them. The lock makes two that write stubs of
# one chain come one after the other; it needs no right, and ends with the transaction.
POSTGRES_FITS = (
    """
CREATE FUNCTION certctl_audit_stub_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fits boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('certctl audit stubs ' || NEW.node, 0));
    EXECUTE format(
        'SELECT $1.first_seq = 1 + coalesce('
        '    (SELECT max(last_seq) FROM %1$I.audit_stubs WHERE node = $1.node), 0)'
        ' AND EXISTS (SELECT 1 FROM %1$I.audit_events'
        '    WHERE node = $1.node AND seq = $1.last_seq AND digest = $1.digest)'
        ' AND EXISTS (SELECT 1 FROM %1$I.audit_events'
        '    WHERE node = $1.node AND seq > $1.last_seq)',
        TG_TABLE_SCHEMA) INTO fits USING NEW;
    IF NOT fits THEN
        RAISE EXCEPTION 'an audit stub that does not fit its chain'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER audit_stubs_fit BEFORE INSERT ON audit_stubs
FOR EACH ROW EXECUTE FUNCTION certctl_audit_stub_fits()
""",
    "ALTER TABLE audit_stubs ENABLE ALWAYS TRIGGER audit_stubs_fit",
)

# After the statement and for all of its rows at once: one look at the stubs, not one a row.
POSTGRES_COVERED = (
    """
CREATE FUNCTION certctl_audit_events_covered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    covered boolean;
BEGIN
    EXECUTE format(
        'SELECT NOT EXISTS (SELECT 1 FROM gone WHERE NOT EXISTS ('
        '    SELECT 1 FROM %1$I.audit_stubs AS stub WHERE stub.node = gone.node'
        '    AND stub.first_seq <= gone.seq AND stub.last_seq >= gone.seq))',
        TG_TABLE_SCHEMA) INTO covered;
    IF NOT covered THEN
        RAISE EXCEPTION 'audit events are append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$
""",
    "DROP TRIGGER audit_events_append_only ON audit_events",
    """
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION certctl_append_only('audit events')
""",
    "ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_append_only",
    """
CREATE TRIGGER audit_events_no_delete AFTER DELETE ON audit_events
REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION certctl_audit_events_covered()
""",
    "ALTER TABLE audit_events ENABLE ALWAYS TRIGGER audit_events_no_delete",
)

SQLITE = (SQLITE_FITS, "DROP TRIGGER audit_events_no_delete", SQLITE_COVERED)


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
    append_only("audit_stubs", "audit stubs")
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in (*POSTGRES_FITS, *POSTGRES_COVERED) if is_postgres else SQLITE:
        op.execute(statement)
    # Certificates are dropped now, and each time what refers to them is looked for.
    op.create_index("ix_repetitions_certificate_id", "repetitions", ["certificate_id"])
