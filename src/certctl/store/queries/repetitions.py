"""Find the certificates of requests that were answered before (policy §5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.engine import Connection, Dialect

from certctl.store.driver import fetch
from certctl.store.statement import chunks, positional
from certctl.store.tables import certificates, repetitions


def repeated_certificates(
    connection: Connection, keys: Collection[bytes], now_us: int
) -> Mapping[bytes, bytes]:
    """DER by key, for keys unexpired whose certificate is neither revoked nor expired."""
    found: dict[bytes, bytes] = {}
    for piece in chunks(keys):
        rows = fetch(connection, _held(connection.dialect, len(piece)), (*piece, now_us, now_us))
        found.update((row[0], row[1]) for row in rows)
    return found


@lru_cache(maxsize=64)
def _held(dialect: Dialect, size: int) -> str:
    names = [f"key_{n}" for n in range(size)]
    clause = (
        select(repetitions.c.key, certificates.c.der)
        .join_from(repetitions, certificates)
        .where(repetitions.c.key.in_([bindparam(name) for name in names]))
        .where(repetitions.c.expires_us > bindparam("now_us"))
        .where(certificates.c.status == literal_column("'valid'"))
        .where(certificates.c.not_after_us > bindparam("now_us"))
    )
    return positional(clause, dialect, [*names, "now_us", "now_us"])
