"""Which schema a database has, and how it comes to this version's; the same for both kinds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.store.errors import SchemaOutdated, SchemaTooNew, StoreCorrupt
from certctl.store.queries.identity import schema_revision
from certctl.store.tables import metadata

REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0013",
    "0012",
    "0011",
    "0014",
    "0015",
)
"""Schema revisions this version knows, oldest first; the last is the one it works with."""


def known_revision(connection: Connection, place: str) -> str:
    """Revision of the database at ``place``; empty for a new one.

    Raises:
        StoreCorrupt: there are tables, but not ours.
        SchemaTooNew: a newer certctl has migrated it.
    """
    found = schema_revision(connection)
    if found is None:
        raise StoreCorrupt(place, note="a database, but not of certctl")
    if found and found not in REVISIONS:
        raise SchemaTooNew(place, found=found, known=REVISIONS[-1])
    return found


def require_current(connection: Connection, place: str) -> None:
    """For those who never migrate.

    Raises:
        StoreCorrupt, SchemaTooNew: as above.
        SchemaOutdated: nobody has migrated it yet.
    """
    found = known_revision(connection, place)
    if found != REVISIONS[-1]:
        raise SchemaOutdated(place, found=found, wanted=REVISIONS[-1])


def migrate(connection: Connection, place: str) -> str:
    """Bring it to this version's schema inside the open transaction; gives what it had.

    Raises:
        StoreCorrupt, SchemaTooNew: as above.
    """
    found = known_revision(connection, place)
    if found != REVISIONS[-1]:
        # Alembic is needed once in a store's life, not at every start.
        from certctl.store.migrations import upgrade  # noqa: PLC0415

        upgrade(connection)
    return found


def probe(connection: Connection) -> None:
    """Touch every table itself, not an index of it: damage, or a missing right, is told
    at the start, not in the middle of an enrollment. A full check would read everything.
    """
    for table in metadata.sorted_tables:
        connection.execute(select(table).limit(1)).fetchall()
