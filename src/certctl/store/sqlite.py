"""Opens the embedded database: SQLite in WAL mode, every commit on disk (FULL).

``open_sqlite`` is for the authority (and host commands when no server runs): it takes
the lock, makes and migrates the file. ``open_sqlite_records`` reads only, in as many processes
as wanted; open it after fork, never before: SQLite's locks do not cross one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import NullPool, create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from certctl.store import driver, faults
from certctl.store.commands.identity import bind_node
from certctl.store.errors import StoreCorrupt, StoreUnopenable
from certctl.store.files import Lock, create, database_path
from certctl.store.reader import SqlRecords, WorkerRecords
from certctl.store.schema import migrate, probe, require_current
from certctl.store.writer import SqlStore

# Seconds to wait for a lock. The only writer waits for nobody but a backup's snapshot;
# a reader waits only while another process recovers the log of a killed one.
_BUSY_SECONDS: Final = 1.0

# The log is moved into the database at each 4,000 pages (16 MB, one block of SQLite's
# index of the log). At 1,000, SQLite's own choice, the random pages of the indexes are
# written twice for too few commits: measured 10 % more CPU and 20 % more waiting.
_LOG_PAGES: Final = 4_000

# A long reader can hold that up; afterwards the log file is cut back to so many octets.
_LOG_LIMIT: Final = 64 << 20

_WRITER_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Else INSERT OR REPLACE would remove audit events behind the triggers' backs.
    "PRAGMA recursive_triggers = ON",
    f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}",
    f"PRAGMA journal_size_limit = {_LOG_LIMIT}",
    # 32 MB: the inner pages of six random-key indexes at 10 M certificates.
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)

_READER_PRAGMAS: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA cache_size = -4096",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA trusted_schema = OFF",
)


def open_sqlite(url: str, *, node: str) -> SqlStore:
    """Open for writing, making and migrating the file as needed.

    ``node`` names the audit chain of a new store; an old one keeps the name it has, so
    that a machine's new name does not begin a second chain (``SqlStore.node``).

    Raises:
        StoreInUse, StoreExposed, StoreCorrupt, StoreUnopenable, SchemaTooNew.
    """
    path = database_path(url)
    lock = Lock(path)
    try:
        create(path)
        engine = _engine(path, mode="rw", pragmas=_WRITER_PRAGMAS)
        event.listen(engine, "begin", _begin_immediate)
        try:
            with engine.begin() as connection:
                migrate(connection, str(path))
                probe(connection)
                name = bind_node(connection, node)
        except DBAPIError as err:
            raise _refusal(err, path) from err
    except BaseException:
        lock.release()
        raise
    return SqlStore(engine, node=name, release=lock.release)


def open_sqlite_records(url: str) -> SqlRecords:
    """Open for reading; sees each commit of the authority as soon as it is durable.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew, SchemaOutdated.
    """
    return SqlRecords(_reading(url))


def open_sqlite_worker(url: str, *, locked_from: int) -> WorkerRecords:
    """The same for a worker, where ``locked_from`` failures lock a source out."""
    return WorkerRecords(_reading(url), locked_from=locked_from)


def _reading(url: str) -> Engine:
    path = database_path(url)
    engine = _engine(path, mode="ro", pragmas=_READER_PRAGMAS)
    try:
        with engine.connect() as connection:
            require_current(connection, str(path))
    except DBAPIError as err:
        raise _refusal(err, path) from err
    return engine


def plain_engine(path: Path) -> Engine:
    """To read a file that may have any schema."""
    return _engine(path, mode="ro", pragmas=_READER_PRAGMAS)


def _engine(path: Path, *, mode: str, pragmas: tuple[str, ...]) -> Engine:
    # The mode keeps SQLite from ever making a file by itself, with a mode of its choice.
    name = f"file:{quote(str(path))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            name,
            uri=True,
            timeout=_BUSY_SECONDS,
            # We say where a transaction begins; the driver would begin it too late.
            isolation_level=None,
            # One thread at a time uses it, but not always the one that opened it.
            check_same_thread=False,
        )
        try:
            for pragma in pragmas:
                connection.execute(pragma)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _begin_immediate(connection: Connection) -> None:
    # The write lock is taken at once: a transaction that reads first and is refused the
    # lock later would have to be run again.
    driver.fetch(connection, "BEGIN IMMEDIATE", ())


def _refusal(error: DBAPIError, path: Path) -> StoreCorrupt | StoreUnopenable:
    note = str(error.orig)
    if faults.damaged(error):
        return StoreCorrupt(str(path), note=note)
    return StoreUnopenable(str(path), note=note)
