"""Requests that wait for an operator, and what was said about them (policy §5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from certctl.store.request_rows import decision, waiting_request
from certctl.store.statement import chunks, ours, positional
from certctl.store.tables import decisions as decision_table
from certctl.store.tables import requests as request_table

_r = request_table.c
_d = decision_table.c


def by_key(connection: Connection, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
    """Requests of whatever status by repetition key; absent ones are left out."""
    return _found(connection, keys, hold=False)


def ours_by_key(connection: Connection, keys: Collection[bytes]) -> Mapping[bytes, WaitingRequest]:
    """The same, and they are ours from now on."""
    return _found(connection, keys, hold=True)


def _found(
    connection: Connection, keys: Collection[bytes], *, hold: bool
) -> Mapping[bytes, WaitingRequest]:
    found: dict[bytes, WaitingRequest] = {}
    for piece in chunks(sorted(keys)):
        rows = connection.exec_driver_sql(
            _by_key(connection.dialect, len(piece), hold=hold), tuple(piece)
        )
        found.update((row[1], waiting_request(row)) for row in rows.fetchall())
    return found


def waiting_number(connection: Connection, now_us: int) -> int:
    """How many wait now; those that expired do not."""
    clause = select(func.count()).where(
        _r.status == RequestStatus.WAITING.value, _r.expires_us > now_us
    )
    return int(connection.execute(clause).scalar_one())


def request(connection: Connection, request_id: str) -> WaitingRequest | None:
    rows = connection.execute(_request(request_id)).fetchall()
    return waiting_request(rows[0]) if rows else None


def our_request(connection: Connection, request_id: str) -> WaitingRequest | None:
    """A request that nobody else decides until the transaction ends."""
    rows = connection.execute(ours(_request(request_id))).fetchall()
    return waiting_request(rows[0]) if rows else None


def _request(request_id: str) -> Select[Any]:
    return select(request_table).where(_r.id == request_id)


def page(
    connection: Connection, status: RequestStatus | None, after: str | None, limit: int
) -> Sequence[WaitingRequest]:
    """The next requests in order of id, at most ``limit``."""
    clause = select(request_table).order_by(_r.id).limit(limit)
    if status is not None:
        clause = clause.where(_r.status == status.value)
    if after is not None:
        clause = clause.where(_r.id > after)
    return [waiting_request(row) for row in connection.execute(clause).fetchall()]


def decisions(connection: Connection, request_id: str) -> Sequence[Decision]:
    """What was said about a request, by time."""
    clause = (
        select(decision_table).where(_d.request_id == request_id).order_by(_d.decided_us, _d.actor)
    )
    return [decision(row) for row in connection.execute(clause).fetchall()]


@lru_cache(maxsize=64)
def _by_key(dialect: Dialect, size: int, *, hold: bool) -> str:
    names = [f"key_{n}" for n in range(size)]
    clause = (
        select(request_table)
        .where(_r.key.in_([bindparam(name) for name in names]))
        .order_by(_r.key)
    )
    return positional(ours(clause) if hold else clause, dialect, names)
