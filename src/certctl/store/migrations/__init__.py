"""Brings a database to this version's schema, with Alembic run from code.

Every step runs inside the caller's transaction, DDL included: a process killed in the
middle leaves the old schema. A downgrade is never attempted. Imported only when there
is something to migrate, since Alembic costs a start a tenth of a second.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection


def upgrade(connection: Connection) -> None:
    """Run all missing migrations on a connection that is inside a transaction."""
    script = scripts()

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()


def scripts() -> ScriptDirectory:
    """The migrations packaged with this version, oldest to newest."""
    return ScriptDirectory(str(Path(__file__).parent))
