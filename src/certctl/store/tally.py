"""Counts by certificate, on disk: for a check of more certificates than memory holds."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_TABLES = (
    (
        "CREATE TABLE noted (id TEXT PRIMARY KEY, serial TEXT, revoked INTEGER, imported INTEGER,"
        " issued_us INTEGER, revoked_us INTEGER) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE told (id TEXT PRIMARY KEY, issued INTEGER, revoked INTEGER, late INTEGER,"
        " first_us INTEGER) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE numbers (issuer BLOB, serial BLOB, id TEXT, PRIMARY KEY (issuer, serial))"
        " WITHOUT ROWID"
    ),
)


class Noted(NamedTuple):
    """What the row of a certificate says."""

    id: str
    serial: str
    revoked: bool
    imported: bool
    issued_us: int
    revoked_us: int


class Told(NamedTuple):
    """What one audit event says about a certificate; ``late``: after the check began."""

    id: str
    issued: int
    revoked: int
    late: int
    time_us: int


class Both(NamedTuple):
    """``noted`` is None where only events name the certificate. ``told`` are the sums,
    with the time of the first event.
    """

    noted: Noted | None
    told: Told


class Tally:
    """A database of its own in a temporary folder; gone at the end of the ``with`` block."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="certctl-check-")
        self._database = sqlite3.connect(Path(self._folder.name) / "tally", isolation_level=None)
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", *_TABLES):
            self._database.execute(statement)
        # Never committed: nobody else reads it, and it is gone at the end in any case.
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def note(self, certificates: Iterable[Noted]) -> None:
        self._many("INSERT INTO noted VALUES (?, ?, ?, ?, ?, ?)", certificates)

    def tell(self, events: Iterable[Told]) -> None:
        self._many(
            "INSERT INTO told VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET issued = issued + excluded.issued, revoked = revoked + excluded.revoked,"
            " late = late + excluded.late, first_us = min(first_us, excluded.first_us)",
            events,
        )

    def number(self, issuer: bytes, serial: bytes, certificate_id: str) -> str | None:
        """Note a serial number; gives the id of the certificate that has it already."""
        given = self._database.execute(
            "INSERT INTO numbers VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (issuer, serial, certificate_id),
        )
        if given.rowcount:
            return None
        found = self._database.execute(
            "SELECT id FROM numbers WHERE issuer = ? AND serial = ?", (issuer, serial)
        ).fetchone()
        return str(found[0])

    def has(self, certificate_id: str) -> bool:
        """Whether such a certificate was noted."""
        row = self._database.execute("SELECT 1 FROM noted WHERE id = ?", (certificate_id,))
        return row.fetchone() is not None

    def all(self) -> Iterator[Both]:
        """Every certificate that was noted or told of."""
        for row in self._database.execute(
            "SELECT noted.*, coalesce(issued, 0), coalesce(told.revoked, 0), coalesce(late, 0)"
            " FROM noted LEFT JOIN told USING (id) ORDER BY id"
        ):
            noted = Noted(row[0], row[1], bool(row[2]), bool(row[3]), row[4], row[5])
            yield Both(noted, Told(noted.id, row[6], row[7], row[8], 0))
        for row in self._database.execute(
            "SELECT * FROM told WHERE NOT EXISTS (SELECT 1 FROM noted WHERE noted.id = told.id)"
        ):
            yield Both(None, Told(*row))

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.executemany(statement, rows)
