"""Read the entries of CRLs (records §4): a million rows within half a second.

The database itself puts the entries of a block together. To fetch a row costs the
interpreter more than all else that is done for it, so a block is one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sqlalchemy.engine import Connection, Dialect

from certctl.domain.crl import (
    COMMON_TIMES,
    PACKED,
    RECENT_US,
    REMOVE_FROM_CRL,
    RevokedBlock,
    RevokedRow,
)
from certctl.store.tables.crl_entry import (
    POSTGRES_ENTRY,
    POSTGRES_FITS,
    REASON,
    SQLITE_ENTRY,
    SQLITE_FITS,
)

BLOCK = 500_000
"""Entries of one block, and more where more were revoked at one moment: some 20 MB."""

_END = (1 << 63) - 1


def revoked(
    connection: Connection, issuer_id: str, listed_us: int, partition: int | None
) -> Iterator[RevokedBlock]:
    """See ``ports.status.StatusReads.revoked``; in a transaction that sees one state."""
    # A number of ours, written out: so the parameters are the same with it and without.
    of = "" if partition is None else f"AND crl_partition = {int(partition)}"
    asked = (issuer_id, listed_us, listed_us - RECENT_US)
    first_us, end_us = COMMON_TIMES
    rare = [
        *_one_by_one(connection, (*asked, -_END, first_us), of),
        *_one_by_one(connection, (*asked, end_us, _END), of),
    ]
    start_us = first_us
    while start_us < end_us:
        ends = connection.exec_driver_sql(
            _end(connection.dialect, of), (issuer_id, start_us, end_us)
        ).fetchall()
        stop_us = ends[0][0] + 1 if ends else end_us
        yield _block(connection, (*asked, start_us, stop_us), of)
        start_us = stop_us
    yield RevokedBlock(rare=rare)


def changes(connection: Connection, issuer_id: str, since_us: int) -> Iterator[RevokedRow]:
    """See ``ports.status.StatusReads.revocation_changes``; in a transaction as above."""
    asked = (issuer_id, 0, 0, since_us - RECENT_US, _END)
    yield from _one_by_one(connection, asked, "")
    statement = _released(connection.dialect)
    asked_released = (issuer_id, since_us - RECENT_US)
    for row in connection.exec_driver_sql(statement, asked_released).fetchall():
        yield bytes(row[0]), row[1], REMOVE_FROM_CRL


def _block(connection: Connection, asked: tuple[object, ...], of: str) -> RevokedBlock:
    """All between two moments of common form."""
    dialect = connection.dialect
    packed, common, count = connection.exec_driver_sql(_packed(dialect, of), asked).one()
    rare: tuple[RevokedRow, ...] = ()
    if common != count:
        rare = tuple(_one_by_one(connection, asked, f"{of} AND NOT ({_fits(dialect)})"))
    block = RevokedBlock(packed=bytes(packed or b""), rare=rare)
    if len(block.packed) != common * PACKED:
        # Never seen; a list that is short of an entry must not be signed.
        raise ArithmeticError("the database lost octets of entries")
    return block


def _one_by_one(
    connection: Connection, asked: tuple[object, ...], which: str
) -> Iterator[RevokedRow]:
    for row in connection.exec_driver_sql(_rows(connection.dialect, which), asked).fetchall():
        yield bytes(row[0]), row[1], row[2]


@lru_cache(maxsize=8)
def _released(dialect: Dialect) -> str:
    mark = _mark(dialect)
    return f"""
SELECT serial, released_us FROM released_holds
JOIN certificates ON certificates.id = released_holds.certificate_id
WHERE issuer_id = {mark} AND released_us >= {mark} AND status = 'valid'"""  # noqa: S608 - ours


@lru_cache(maxsize=512)
def _end(dialect: Dialect, of: str) -> str:
    """Where a block ends: all entries of one moment are in the same."""
    mark = _mark(dialect)
    return f"""
SELECT revoked_us FROM certificates
WHERE issuer_id = {mark} AND status = 'revoked' AND revoked_us >= {mark} AND revoked_us < {mark}
{of} ORDER BY revoked_us LIMIT 1 OFFSET {BLOCK - 1}"""  # noqa: S608 - nothing of it comes from outside


@lru_cache(maxsize=512)
def _packed(dialect: Dialect, which: str) -> str:
    """Octets of all entries of common serials, how many those are, how many there are."""
    if dialect.name == "sqlite":
        entries = f"CAST(group_concat({SQLITE_ENTRY}, '') AS BLOB)"
        common = f"count({SQLITE_ENTRY})"
    else:
        entries = f"string_agg({POSTGRES_ENTRY}, ''::bytea)"
        common = f"count(*) FILTER (WHERE {POSTGRES_FITS})"
    return f"SELECT {entries}, {common}, count(*) {_of_list(dialect)} {which}"


@lru_cache(maxsize=512)
def _rows(dialect: Dialect, which: str) -> str:
    return f"SELECT serial, revoked_us, {REASON} {_of_list(dialect)} {which}"


def _of_list(dialect: Dialect) -> str:
    """What is named stands in the index of revoked certificates; the status is written
    out, not bound: only so does it fit.
    """
    mark = _mark(dialect)
    # ``domain.crl.is_listed``.
    return f"""FROM certificates
WHERE issuer_id = {mark} AND status = 'revoked' AND (not_after_us >= {mark} OR revoked_us >= {mark})
AND revoked_us >= {mark} AND revoked_us < {mark}"""


def _fits(dialect: Dialect) -> str:
    return SQLITE_FITS if dialect.name == "sqlite" else POSTGRES_FITS


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.paramstyle == "qmark" else "%s"
