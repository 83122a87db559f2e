"""Tables whose rows are never changed nor removed: the database itself refuses it."""

from __future__ import annotations

from alembic import op

_SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {VERB} ON {table}
BEGIN
    SELECT RAISE(ABORT, '{what} are append-only');
END
"""

_FUNCTION = """
CREATE OR REPLACE FUNCTION certctl_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are append-only', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$
"""

# For each statement, because TRUNCATE knows no rows; always, also where a replica's rules
# would leave triggers out.
_POSTGRES = (
    """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION certctl_append_only('{what}')
""",
    "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only",
)


def append_only(table: str, what: str) -> None:
    """In a migration: from now on ``table`` only grows; ``what`` names its rows."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        for statement in _POSTGRES:
            op.execute(statement.format(table=table, what=what))
        return
    for verb in ("update", "delete"):
        op.execute(_SQLITE.format(table=table, what=what, verb=verb, VERB=verb.upper()))
