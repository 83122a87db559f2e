"""What a driver's error means to us. The one place that reads SQLite's result codes.

Full, locked, read-only or failing storage is ``StoreUnavailable``: it may be back, and
nothing was kept. A unique key that is taken is ``DuplicateKey``. Anything else is
``CommandRefused``, a fault of ours.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports import DuplicateKey
from certctl.store.errors import CommandRefused

# The low octet of an extended result code is the primary one (sqlite.org/rescode.html).
_PRIMARY = 0xFF

_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_DOUBLED = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_ROWID,
    }
)


def meaning(error: DBAPIError) -> StoreUnavailable | DuplicateKey | CommandRefused:
    """Our exception for a driver's error."""
    code = _code(error)
    if code in _DOUBLED:
        return DuplicateKey(str(error.orig))
    if code & _PRIMARY in _AWAY:
        return StoreUnavailable("store")
    return CommandRefused(str(error.orig))


def damaged(error: DBAPIError) -> bool:
    """Whether the file is no database, or its pages contradict each other."""
    return _code(error) & _PRIMARY in _DAMAGED


def _code(error: DBAPIError) -> int:
    # 0 where the driver itself found fault and SQLite was never asked.
    return getattr(error.orig, "sqlite_errorcode", 0)
