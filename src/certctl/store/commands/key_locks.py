"""One writer at a time for each public key, so that no two nodes give one key two names.

There is no row to meet on: a key may be new. PostgreSQL's advisory locks stand in for
it, held until the transaction ends. SQLite has one writer and needs none of this.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.engine import Connection

_HOLD: Final = "SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"


def hold_keys(connection: Connection, keys: Collection[bytes]) -> None:
    """Wait until nobody else decides about these keys (SHA-256 of SubjectPublicKeyInfo).

    In one order, so that two nodes never wait for each other.
    """
    if connection.dialect.name == "postgresql":
        numbers = sorted({int.from_bytes(key[:8], "big", signed=True) for key in keys})
        connection.exec_driver_sql(_HOLD, (numbers,))
