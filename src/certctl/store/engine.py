"""Opens the store that ``DATABASE_URL`` names: SQLite in a file, or PostgreSQL.

``open_writable`` is for the authority (and host commands when no server runs);
``open_records`` reads only, in as many processes as wanted. Open either after fork,
never before: neither a connection nor SQLite's locks cross one.
"""

from __future__ import annotations

from certctl.store.reader import SqlRecords
from certctl.store.sqlite import open_sqlite, open_sqlite_records, open_sqlite_worker
from certctl.store.url import is_postgres
from certctl.store.writer import SqlStore


def open_writable(url: str, *, node: str) -> SqlStore:
    """Open for writing; ``node`` names the audit chain of this node (``SqlStore.node``).

    Raises:
        StoreInUse, StoreExposed, StoreCorrupt, StoreUnopenable, StoreNotDurable,
        SchemaTooNew, SchemaOutdated.
    """
    if is_postgres(url):
        # Its driver is an extra, and loading it costs a start that does not need it.
        from certctl.store.postgres import open_postgres  # noqa: PLC0415

        return open_postgres(url, node=node)
    return open_sqlite(url, node=node)


def open_records(url: str) -> SqlRecords:
    """Open for reading; sees each commit of an authority as soon as it is durable.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew, SchemaOutdated.
    """
    if is_postgres(url):
        from certctl.store.postgres import open_postgres_records  # noqa: PLC0415

        return open_postgres_records(url)
    return open_sqlite_records(url)


def open_worker_records(url: str, *, locked_from: int) -> SqlRecords:
    """``open_records`` for a worker; ``locked_from`` failures lock a source out.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew, SchemaOutdated.
    """
    if is_postgres(url):
        from certctl.store.postgres import open_postgres_worker  # noqa: PLC0415

        return open_postgres_worker(url, locked_from=locked_from)
    return open_sqlite_worker(url, locked_from=locked_from)


def migrate_store(url: str) -> str:
    """Bring a PostgreSQL database to this version's schema; gives the revision it had.

    An embedded database is migrated by whoever opens it for writing.

    Raises:
        StoreCorrupt, StoreUnopenable, SchemaTooNew.
    """
    from certctl.store.postgres import migrate_postgres  # noqa: PLC0415

    return migrate_postgres(url)
