"""The statements of the hot path, run on the driver's own connection where that pays.

SQLAlchemy's result and context objects cost more than SQLite needs for a batch's
statement. PostgreSQL's statements go the usual way: there the network costs more, and
SQLAlchemy notices a lost connection for us.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

Row = Sequence[Any]


def fetch(connection: Connection, statement: str, values: Row) -> Sequence[Row]:
    """All rows of a query in the driver's own text (``statement.positional``).

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement, tuple(values)).fetchall()
    try:
        return _sqlite(connection).execute(statement, values).fetchall()
    except sqlite3.Error as err:
        raise _wrapped(err, statement) from err


def run_each(connection: Connection, statement: str, rows: Sequence[Row]) -> int:
    """A statement that changes, once with each row's values; gives the number of rows changed.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement, cast("Any", rows)).rowcount
    try:
        return _sqlite(connection).executemany(statement, rows).rowcount
    except sqlite3.Error as err:
        raise _wrapped(err, statement) from err


def _sqlite(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _wrapped(err: sqlite3.Error, statement: str) -> DBAPIError:
    # Values stay out: an error's text may end up in a log.
    return cast("DBAPIError", DBAPIError.instance(statement, None, err, sqlite3.Error))
