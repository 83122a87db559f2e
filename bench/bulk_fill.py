"""Fills an embedded store with millions of certificates in minutes instead of hours.

The rows are those that the store's own command writes; only the indexes are left off
meanwhile and built at the end, and nothing is made durable before that. For benches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from certctl.domain.certificates import CertificateRecord
from certctl.store.names import names_of
from certctl.store.rows import certificate_row
from certctl.store.tables import certificate_names, certificates

BATCH = 20_000
_PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -2000000",
    "PRAGMA temp_store = FILE",
)


def bulk_fill(path: Path, rows: range, certificate: Callable[[int], CertificateRecord]) -> None:
    """Add ``certificate(n)`` for each n; the file has its tables, and nobody else has it open."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in _PRAGMAS:
        connection.execute(pragma).fetchall()
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name = 'certificates'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    connection.execute("CREATE TEMP TABLE heap (name BLOB, certificate_id TEXT, kinds INTEGER)")
    places = ", ".join("?" * len(certificates.columns))
    columns = ", ".join(certificates.columns.keys())
    insert = f"INSERT INTO certificates ({columns}) VALUES ({places})"  # noqa: S608 - our own names
    for start in range(rows.start, rows.stop, BATCH):
        records = [certificate(n) for n in range(start, min(start + BATCH, rows.stop))]
        connection.execute("BEGIN")
        connection.executemany(insert, map(certificate_row, records))
        connection.executemany(
            "INSERT INTO heap VALUES (?, ?, ?)",
            (
                (name, record.id, kinds)
                for record in records
                for name, kinds in names_of(record).items()
            ),
        )
        connection.execute("COMMIT")
        if start // BATCH % 25 == 0:
            print(f"{start + len(records):12,} rows", flush=True)
    names = ", ".join(certificate_names.columns.keys())
    # In the order of its key, so that the table is written once from front to end.
    connection.execute(
        f"INSERT INTO certificate_names ({names})"  # noqa: S608 - our own names
        " SELECT name, certificate_id, kinds FROM heap ORDER BY name, certificate_id"
    )
    for name, statement in indexes:
        print(f"index {name}", flush=True)
        connection.execute(statement)
    if _analyzed(connection):
        connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.close()


def _analyzed(connection: sqlite3.Connection) -> bool:
    """Whether the store keeps statistics; then they must not be those of an empty table."""
    found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'")
    return bool(found.fetchone()[0])
