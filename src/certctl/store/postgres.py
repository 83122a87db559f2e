"""Opens PostgreSQL: for an authority, for readers, and for the one who migrates.

Several nodes write to one database, each with one connection that holds the lock on its
node's name (``postgres_session``). Nothing here migrates by itself: that needs rights
that a server should not have, so ``certctl-server migrate`` does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError

from certctl.store.errors import StoreAway, StoreUnopenable
from certctl.store.faults import may_come_back
from certctl.store.migrations.collation import settle_collation
from certctl.store.postgres_session import MigratorSession, NodeSession, ReaderSession
from certctl.store.queries.identity import is_blank
from certctl.store.reader import SqlRecords, WorkerRecords
from certctl.store.schema import migrate, probe, require_current
from certctl.store.url import place, postgres_url
from certctl.store.writer import SqlStore

T = TypeVar("T")

# Those who answer clients meanwhile must not wait longer; libpq takes no less than 2.
_CONNECT_SECONDS: Final = 2

# An unanswered packet ends the connection after so many milliseconds.
_SILENCE_MS: Final = 5_000

_DIALECT_OPTIONS: Final[dict[str, Any]] = {
    # As the commands of the hot path hand their values over (``statement.positional``).
    "paramstyle": "format",
    # Else the first connection asks for a type that we do not use.
    "use_native_hstore": False,
    # Its errors may come into a log.
    "hide_parameters": True,
}


def open_postgres(url: str, *, node: str) -> SqlStore:
    """Open for writing as ``node``.

    Raises:
        NodeInUse, StoreNotDurable, StoreCorrupt, StoreUnopenable, SchemaTooNew,
        SchemaOutdated; StoreAway where it may be back.
    """
    target = postgres_url(url)
    session = NodeSession(place(target), node)
    engine = _engine(target, session.prepare)

    def opened() -> SqlStore:
        connection = engine.connect()
        try:
            with connection.begin():
                require_current(connection, place(target))
                probe(connection)
                blank = is_blank(connection, node)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return SqlStore(engine, node=node, connection=connection, blank=blank)

    return _told(target, opened)


def open_postgres_records(url: str) -> SqlRecords:
    """Open for reading, in transactions that PostgreSQL itself keeps read-only.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew, SchemaOutdated.
    """
    return SqlRecords(_reading(url))


def open_postgres_worker(url: str, *, locked_from: int) -> WorkerRecords:
    """The same for a worker, where ``locked_from`` failures lock a source out."""
    return WorkerRecords(_reading(url), locked_from=locked_from)


def _reading(url: str) -> Engine:
    target = postgres_url(url)
    engine = _engine(target, ReaderSession().prepare, isolation_level="AUTOCOMMIT")

    def opened() -> Engine:
        with engine.connect() as connection:
            require_current(connection, place(target))
        return engine

    return _told(target, opened)


def migrate_postgres(url: str) -> str:
    """Bring the schema to this version's, in one transaction; gives the revision it had.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew.
    """
    target = postgres_url(url)
    engine = _engine(target, MigratorSession().prepare)

    def migrated() -> str:
        with engine.begin() as connection:
            # Two that migrate at once: the second finds everything done.
            connection.execute(text("SELECT pg_advisory_xact_lock(7165923451178)"))
            found = migrate(connection, place(target))
            settle_collation(connection)
            return found

    return _told(target, migrated)


def _engine(target: URL, prepare: Callable[[Any], None], **options: Any) -> Engine:
    try:
        engine = create_engine(
            target,
            poolclass=NullPool,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "tcp_user_timeout": _SILENCE_MS,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 2,
                "application_name": "certctl",
            },
            **_DIALECT_OPTIONS,
            **options,
        )
    except ImportError as err:
        raise StoreUnopenable(
            "DATABASE_URL", note="PostgreSQL needs its driver: pip install 'certctl[postgres]'"
        ) from err

    def connected(connection: Any, _record: object) -> None:
        prepare(connection)

    event.listen(engine, "connect", connected)
    return engine


def _told(target: URL, opening: Callable[[], T]) -> T:
    """What ``opening`` gives, or a driver's error in words, without the password."""
    try:
        return opening()
    except DBAPIError as err:
        note = str(err.orig).strip().splitlines()[0] if str(err.orig).strip() else "no answer"
        if target.password:
            note = note.replace(str(target.password), "***")
        kind = StoreAway if may_come_back(err) else StoreUnopenable
        raise kind(place(target), note=note) from None
