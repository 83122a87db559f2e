"""Pages of the inventory (records §3): bounded work for each, whatever is asked.

The list has one order, which the filter decides. If one of the indexes that lead to it
holds few rows, all of them are read, judged and sorted; else the list is walked in its
order, and a page ends when it is full or has looked at enough rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateSource, CertificateStatus
from certctl.domain.inventory import (
    CertificateFilter,
    CertificateSummary,
    InventoryPage,
    ListOrder,
    order_of,
)
from certctl.store import cursors
from certctl.store.list_order import Place, cut
from certctl.store.names import first_name, is_wanted
from certctl.store.queries.drivers import Drivers, drivers
from certctl.store.rows import serial_text
from certctl.store.statement import chunks, ours, positional
from certctl.store.tables import certificates

LOOKED_AT = 600
"""Rows that are looked at for one page at most. Each may be on a page of its own that the
reader's small cache does not hold: measured 15 to 30 µs a row."""

FEW = LOOKED_AT
"""Rows of an index that are read and sorted whole rather than walked."""

_c = certificates.c
_SUMMARY = (
    _c.id,
    _c.serial,
    _c.profile,
    _c.certificate_profile,
    _c.issuer_id,
    _c.principal,
    _c.subject,
    _c.subject_der,
    _c.sans,
    _c.key_algorithm,
    _c.spki_sha256,
    _c.fingerprint,
    _c.not_before_us,
    _c.not_after_us,
    _c.issued_us,
    _c.source,
    _c.renews,
    _c.status,
    _c.revoked_us,
    _c.revocation_reason,
    _c.tenant,
)
_decoder = msgspec.json.Decoder(tuple[str, ...])


def search(
    connection: Connection,
    wanted: CertificateFilter,
    now_us: int,
    *,
    limit: int,
    cursor: str | None,
    oldest_first: bool,
) -> InventoryPage:
    """One page.

    Raises:
        CursorRefused: the cursor is of another filter or order, or none at all.
    """
    after = cursors.read(cursor, wanted, oldest_first=oldest_first) if cursor else None
    place = Place(*after) if after is not None else None
    ways = drivers(wanted, now_us, oldest_first=oldest_first)
    few = _few(connection, ways)
    if few is None:
        rows, last = _walk(connection, ways, wanted, now_us, after=place, limit=limit)
    else:
        found = [
            each for each in summaries(connection, few).values() if is_wanted(wanted, each, now_us)
        ]
        rows, last = cut(found, wanted, after=place, limit=limit, oldest_first=oldest_first)
    return InventoryPage(
        rows=tuple(rows),
        cursor=cursors.write(last, wanted, oldest_first=oldest_first) if last else None,
    )


def summaries(connection: Connection, ids: Collection[str]) -> dict[str, CertificateSummary]:
    """By id; absent ones are left out."""
    found: dict[str, CertificateSummary] = {}
    for some in chunks(ids):
        rows = connection.exec_driver_sql(_by_id(connection.dialect, len(some)), tuple(some))
        found |= {row[0]: _summary(row) for row in rows.fetchall()}
    return found


def summaries_of_ours(
    connection: Connection, ids: Collection[str]
) -> dict[str, CertificateSummary]:
    """The same for a writer: no other node changes them until the transaction ends."""
    found: dict[str, CertificateSummary] = {}
    # Two nodes that revoke the same take the rows in the same order.
    for some in chunks(sorted(ids)):
        rows = connection.exec_driver_sql(_ours(connection.dialect, len(some)), tuple(some))
        found |= {row[0]: _summary(row) for row in rows.fetchall()}
    return found


def renewals_of(connection: Connection, certificate_id: str) -> Sequence[CertificateSummary]:
    """Certificates that renew this one, oldest first."""
    clause = select(*_SUMMARY).where(_c.renews == certificate_id).order_by(_c.id)
    return [_summary(row) for row in connection.execute(clause)]


def _few(connection: Connection, ways: Drivers) -> list[str] | None:
    """All that a narrow index leads to; None where none is narrow."""
    for window in ways.others:
        places = window(connection, None, FEW + 1)
        if len(places) <= FEW:
            return [place.id for place in places]
    return None


def _walk(
    connection: Connection,
    ways: Drivers,
    wanted: CertificateFilter,
    now_us: int,
    *,
    after: Place | None,
    limit: int,
) -> tuple[list[CertificateSummary], Place | None]:
    by_name = order_of(wanted) is ListOrder.NAME
    rows: list[CertificateSummary] = []
    room, step = LOOKED_AT, limit + 1
    while room > 0:
        places = ways.walk(connection, after, min(step, room))
        found = summaries(connection, [place.id for place in places])
        for place in places:
            each = found.get(place.id)
            if each is None or not is_wanted(wanted, each, now_us):
                continue
            # With several names that begin so, it is listed under the first.
            if by_name and first_name(wanted, each) != place.key:
                continue
            if len(rows) == limit:
                return rows, after
            rows.append(each)
            after = place
        if len(places) < min(step, room):
            return rows, None
        after = places[-1]
        room -= len(places)
        step *= 2
    return rows, after


def _summary(row: Sequence[Any]) -> CertificateSummary:
    return CertificateSummary(
        id=row[0],
        serial=serial_text(row[1]),
        profile=row[2],
        certificate_profile=row[3],
        issuer_id=row[4],
        principal=row[5],
        subject=row[6],
        subject_der=row[7],
        sans=_decoder.decode(row[8]),
        key_algorithm=row[9],
        spki_sha256=row[10],
        fingerprint=row[11],
        not_before_us=row[12],
        not_after_us=row[13],
        issued_us=row[14],
        source=CertificateSource(row[15]),
        renews=row[16],
        status=CertificateStatus(row[17]),
        revoked_us=row[18],
        revocation_reason=row[19],
        tenant=row[20],
    )


@lru_cache(maxsize=64)
def _by_id(dialect: Dialect, size: int) -> str:
    names = [f"id_{n}" for n in range(size)]
    clause = select(*_SUMMARY).where(_c.id.in_([bindparam(name) for name in names]))
    return positional(clause, dialect, names)


@lru_cache(maxsize=64)
def _ours(dialect: Dialect, size: int) -> str:
    names = [f"id_{n}" for n in range(size)]
    clause = select(*_SUMMARY).where(_c.id.in_([bindparam(name) for name in names]))
    return positional(ours(clause.order_by(_c.id)), dialect, names)
