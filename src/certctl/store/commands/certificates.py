"""Put certificates on record (records §3). A row, once written, keeps its DER for good."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import insert
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateRecord
from certctl.store.driver import run_each
from certctl.store.names import names_of
from certctl.store.rows import certificate_row
from certctl.store.statement import positional
from certctl.store.tables import certificate_names, certificates


def record_certificates(connection: Connection, records: Sequence[CertificateRecord]) -> None:
    """Insert all, with one statement; id, serial per issuer and fingerprint are unique."""
    if records:
        run_each(connection, _insert(connection.dialect), [*map(certificate_row, records)])
        names = [
            (name, record.id, kinds)
            for record in records
            for name, kinds in names_of(record).items()
        ]
        # A name next to another is on the same page, most of the time.
        run_each(connection, _name(connection.dialect), sorted(names))


@lru_cache(maxsize=8)
def _insert(dialect: Dialect) -> str:
    return positional(insert(certificates), dialect, certificates.columns.keys())


@lru_cache(maxsize=8)
def _name(dialect: Dialect) -> str:
    clause = insert(certificate_names)
    return positional(clause, dialect, certificate_names.columns.keys())
