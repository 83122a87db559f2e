"""What a driver's error means to us: SQLite's result codes and PostgreSQL's SQLSTATE.

Full, locked, read-only, failing or absent storage is ``StoreUnavailable``: it may be
back, and nothing was kept (of a commit whose answer was lost, see
``authority.service``). A unique key that is taken is ``DuplicateKey``; a deadlock or a
serialization failure with another node is ``Contended``. Anything else is
``CommandRefused``, a fault of ours.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from certctl.domain.errors import StoreUnavailable
from certctl.domain.ports import Contended, DuplicateKey
from certctl.store.errors import CommandRefused

Meaning = StoreUnavailable | DuplicateKey | Contended | CommandRefused

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

# PostgreSQL, appendix A. By class: connection gone (08), wrong password now (28), out of
# disk, memory or connections (53), ended or timed out by an operator (57), the system
# below failing (58), damage (XX).
_AWAY_CLASSES = frozenset({"08", "28", "53", "57", "58", "XX"})
_AWAY_STATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: it became a standby
        "25P03",  # idle_in_transaction_session_timeout: we hung, and it let go
        "3D000",  # the database is not there
        "42501",  # a right was taken away
    }
)
_DOUBLED_STATE = "23505"
_CONTENDED_STATES = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available: it took longer than lock_timeout
    }
)

_FOR_NOW = (
    "the database system is",  # starting up, shutting down, in recovery mode
    "too many",  # clients, or connections for a role or database
    "remaining connection slots",
    "terminating connection",
)


def meaning(error: DBAPIError) -> Meaning:
    """Our exception for a driver's error."""
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error)
    return _of_postgres(error)


def is_lost(error: DBAPIError) -> bool:
    """The connection is gone, so that asking on a new one may help."""
    state = _state(error)
    return error.connection_invalidated or state[:2] == "08" or state[:3] == "57P"


def may_come_back(error: DBAPIError) -> bool:
    """A connection that was refused or broke, where the next one may well be had.

    psycopg has no SQLSTATE for a refused connection, so the server's words must do. Where
    PostgreSQL speaks another language it is taken for a refusal of another kind, which
    errs on the side of telling a person.
    """
    said = str(error.orig)
    for_now = "FATAL:" not in said or any(words in said for words in _FOR_NOW)
    return is_lost(error) or (_not_connected(error) and for_now)


def damaged(error: DBAPIError) -> bool:
    """Whether the file is no database, or its pages contradict each other."""
    return _code(error) & _PRIMARY in _DAMAGED


def _of_sqlite(error: DBAPIError) -> Meaning:
    code = _code(error)
    if code in _DOUBLED:
        return DuplicateKey(str(error.orig))
    if code & _PRIMARY in _AWAY:
        return StoreUnavailable("store")
    return CommandRefused(str(error.orig))


def _of_postgres(error: DBAPIError) -> Meaning:
    state = _state(error)
    if state == _DOUBLED_STATE:
        return DuplicateKey(str(error.orig))
    if state in _CONTENDED_STATES:
        return Contended(str(error.orig))
    if state[:2] in _AWAY_CLASSES or state in _AWAY_STATES or is_lost(error):
        return StoreUnavailable("store")
    if _not_connected(error):
        return StoreUnavailable("store")
    return CommandRefused(str(error.orig))


def _not_connected(error: DBAPIError) -> bool:
    """No connection was to be had, or not in time: PostgreSQL's driver has words alone for it."""
    kind = type(error.orig).__name__
    return not _state(error) and kind in ("OperationalError", "ConnectionTimeout")


def _code(error: DBAPIError) -> int:
    # 0 where the driver itself found fault and SQLite was never asked.
    return getattr(error.orig, "sqlite_errorcode", 0)


def _state(error: DBAPIError) -> str:
    # Empty where the driver itself found fault, or SQLite was asked.
    return getattr(error.orig, "sqlstate", None) or ""
