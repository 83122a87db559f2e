"""On PostgreSQL, all our texts compare by their octets, as on SQLite and in memory.

With a language's rules pages in order of id would come in another order, look-ups would
cost more, and an upgrade of the operating system could spoil indexes. A migration need
not think of it: what it has made is settled here, in its own transaction.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from certctl.store.tables import metadata

_OTHERWISE = text(
    """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND data_type = 'text'
AND collation_name IS DISTINCT FROM 'C'
ORDER BY table_name, column_name"""
)


def settle_collation(connection: Connection) -> None:
    """Give every text column of our tables the collation "C"."""
    quote = connection.dialect.identifier_preparer.quote
    for table, column in connection.execute(_OTHERWISE).fetchall():
        if table in metadata.tables:
            connection.execute(
                text(
                    f'ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} TYPE text COLLATE "C"'
                )
            )
