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
        " issued_us INTEGER, revoked_us INTEGER, names INTEGER) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE told (id TEXT PRIMARY KEY, issued INTEGER, revoked INTEGER, bulk INTEGER,"
        " released INTEGER, late INTEGER, first_us INTEGER, revoked_us INTEGER,"
        " released_us INTEGER) WITHOUT ROWID"
    ),
    "CREATE TABLE named (id TEXT PRIMARY KEY, names INTEGER) WITHOUT ROWID",
    "CREATE TABLE holds (id TEXT PRIMARY KEY, released_us INTEGER) WITHOUT ROWID",
    (
        "CREATE TABLE listed (issuer TEXT, serial BLOB, met INTEGER, PRIMARY KEY (issuer, serial))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE numbers (issuer BLOB, serial BLOB, id TEXT, PRIMARY KEY (issuer, serial))"
        " WITHOUT ROWID"
    ),
)

_ALL = """
SELECT noted.*,
    coalesce(issued, 0), coalesce(told.revoked, 0), coalesce(bulk, 0), coalesce(released, 0),
    coalesce(late, 0), coalesce(first_us, 0), coalesce(told.revoked_us, 0),
    coalesce(told.released_us, 0),
    coalesce(named.names, 0), holds.released_us
FROM noted LEFT JOIN told USING (id) LEFT JOIN named USING (id) LEFT JOIN holds USING (id)
ORDER BY id"""

_STRANGERS = """
SELECT id FROM (SELECT id FROM named UNION SELECT id FROM holds) AS others
WHERE NOT EXISTS (SELECT 1 FROM noted WHERE noted.id = others.id)"""


class Noted(NamedTuple):
    """What the row of a certificate says; ``names`` is what ``name`` must add up to, or
    None where they cannot be read.
    """

    id: str
    serial: str
    revoked: bool
    imported: bool
    issued_us: int
    revoked_us: int
    names: int | None


class Told(NamedTuple):
    """What one audit event says about a certificate, or the sums of what all of them say.

    Attributes:
        bulk: revoked as one of many.
        late: after the check began.
        first_us: when the first came.
        revoked_us: when the last of the revocations, not late, came; 0: none.
        released_us: the same of releases.
    """

    id: str
    issued: int = 0
    revoked: int = 0
    bulk: int = 0
    released: int = 0
    late: int = 0
    first_us: int = 0
    revoked_us: int = 0
    released_us: int = 0


class Both(NamedTuple):
    """``noted`` is None where only events name the certificate; ``names`` is what its
    names on record add up to, ``released_us`` when its hold was last taken back.
    """

    noted: Noted | None
    told: Told
    names: int = 0
    released_us: int | None = None


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
        self._many("INSERT INTO noted VALUES (?, ?, ?, ?, ?, ?, ?)", certificates)

    def tell(self, events: Iterable[Told]) -> None:
        self._many(
            "INSERT INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET issued = issued + excluded.issued, revoked = revoked + excluded.revoked,"
            " bulk = bulk + excluded.bulk, released = released + excluded.released,"
            " late = late + excluded.late, first_us = min(first_us, excluded.first_us),"
            " revoked_us = max(revoked_us, excluded.revoked_us),"
            " released_us = max(released_us, excluded.released_us)",
            events,
        )

    def name(self, names: Iterable[tuple[str, int]]) -> None:
        """One name each of a certificate (id): a number that stands for it."""
        self._many(
            "INSERT INTO named VALUES (?, ?) ON CONFLICT (id) DO UPDATE"
            " SET names = names + excluded.names",
            names,
        )

    def hold(self, released: Iterable[tuple[str, int]]) -> None:
        """When the hold of a certificate (id) was last taken back."""
        self._many("INSERT INTO holds VALUES (?, ?)", released)

    def list(self, issuer_id: str, serials: Iterable[bytes]) -> None:
        """What stands on an issuer's CRL."""
        rows = ((issuer_id, serial) for serial in serials)
        self._many("INSERT INTO listed VALUES (?, ?, 0) ON CONFLICT DO NOTHING", rows)

    def meet(self, issuer_id: str, serial: bytes) -> bool:
        """A revoked certificate was met: whether it stands on the CRL."""
        statement = "UPDATE listed SET met = 1 WHERE issuer = ? AND serial = ?"
        return self._database.execute(statement, (issuer_id, serial)).rowcount > 0

    def unmet(self) -> Iterator[tuple[str, bytes]]:
        """(issuer id, serial) on a CRL of which no revoked certificate was met."""
        yield from self._database.execute("SELECT issuer, serial FROM listed WHERE met = 0")

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
        width = len(Noted._fields)
        for row in self._database.execute(_ALL):
            noted = Noted(row[0], row[1], bool(row[2]), bool(row[3]), *row[4:width])
            yield Both(noted, Told(noted.id, *row[width:-2]), row[-2], row[-1])
        for row in self._database.execute(
            "SELECT * FROM told WHERE NOT EXISTS (SELECT 1 FROM noted WHERE noted.id = told.id)"
        ):
            yield Both(None, Told(*row))

    def strangers(self) -> Iterator[str]:
        """Ids that have names or a release, and were not noted."""
        for (certificate_id,) in self._database.execute(_STRANGERS):
            yield certificate_id

    def _many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.executemany(statement, rows)
