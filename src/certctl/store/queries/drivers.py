"""Ways into the inventory: each reads the keys of one index, in the order of a list.

A driver gives (key, id) pairs of an index alone, a bounded number, after a given pair;
whatever else was asked for is judged on the rows themselves (``queries.inventory``). So
no planner has to guess which of many filters is the narrow one, and the work for a page
has a bound. Common ground of SQLite and PostgreSQL, row values included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.engine import Connection, Dialect

from certctl.domain.certificates import CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.ids import sortable_id
from certctl.domain.inventory import (
    CertificateFilter,
    ListOrder,
    NameMatch,
    WantedStatus,
    order_of,
)
from certctl.store import tables
from certctl.store.list_order import Place
from certctl.store.names import names_asked
from certctl.store.rows import serial_octets
from certctl.store.statement import positional
from certctl.store.tables import certificate_names, certificates

_c = certificates.c
_n = certificate_names.c

# An id holds the time at which it was made, which is a little after its issued_us: the
# batch was read before. Clocks of nodes may differ by as much.
_SLACK_US = 60 * SECOND_US

# Ids are hexadecimal, in small letters.
_LAST_ID = "g"

# More groups than this are not merged; the list is then walked by id alone.
_MOST_GROUPS = 256


Window = Callable[[Connection, Place | None, int], list[Place]]
"""The next places after one, at most so many."""


class Drivers(NamedTuple):
    """``walk`` gives the whole list in its order; each of ``others`` finds all of it too,
    in the order of ids, and may be much narrower.
    """

    walk: Window
    others: tuple[Window, ...]


def drivers(wanted: CertificateFilter, now_us: int, *, oldest_first: bool) -> Drivers:
    """The indexes that lead to what is wanted."""
    by_id = [*_by_id(wanted, oldest_first=oldest_first)]
    match order_of(wanted):
        case ListOrder.NAME:
            return Drivers(_by_name(wanted), tuple(by_id))
        case ListOrder.EXPIRY:
            return Drivers(_by_expiry(wanted, now_us), tuple(by_id))
        case ListOrder.ID:
            first = by_id[0] if by_id else _everything(wanted, oldest_first=oldest_first)
            return Drivers(first, tuple(by_id[1:]))


def _by_id(wanted: CertificateFilter, *, oldest_first: bool) -> Iterator[Window]:
    """Those that fit the filter, likely narrow ones first."""

    def of(column: ColumnElement[str], *conditions: ColumnElement[bool]) -> Window:
        return _ids(wanted, column, conditions, oldest_first=oldest_first)

    if wanted.serial is not None:
        yield of(_c.id, _c.serial == _octets(wanted.serial))
    if wanted.fingerprint is not None:
        yield of(_c.id, _c.fingerprint == wanted.fingerprint)
    if wanted.spki_sha256 is not None:
        yield of(_c.id, _c.spki_sha256 == wanted.spki_sha256)
    for kind, match in names_asked(wanted):
        if not match.prefix:
            yield of(_n.certificate_id, _n.name == match.key, _is(kind))
    if wanted.status is WantedStatus.HOLD:
        yield of(_c.id, _said(tables.ON_HOLD))
    if wanted.status is WantedStatus.REVOKED:
        yield of(_c.id, _said(tables.REVOKED))
    if wanted.tenant is not None:
        yield of(_c.id, _c.tenant == wanted.tenant)
    if wanted.source not in {None, CertificateSource.EST}:
        # The index is partial: the condition it was made with has to be said again.
        yield of(_c.id, _said(tables.NOT_EST), _c.source == wanted.source)
    named = (wanted.profile, wanted.certificate_profile, wanted.issuer_id)
    if wanted.profiles or named != (None, None, None):
        yield _by_group(wanted, oldest_first=oldest_first)


def _everything(wanted: CertificateFilter, *, oldest_first: bool) -> Window:
    return _ids(wanted, _c.id, (), oldest_first=oldest_first)


def _ids(
    wanted: CertificateFilter,
    column: ColumnElement[str],
    conditions: tuple[ColumnElement[bool], ...],
    *,
    oldest_first: bool,
    issuer_id: str | None = None,
) -> Window:
    """Ids in order under conditions that an index ending in the id stands for.

    ``issuer_id``: theirs, where the index has it before the id. Then pairs of both are
    compared and ordered, never one alone: the walk begins right at its place, and
    PostgreSQL's planner, for whom one value would need no order, does not take the index
    of ids and walk over everybody's where it thinks this issuer's are frequent.
    """

    def window(connection: Connection, after: Place | None, limit: int) -> list[Place]:
        start, end = _bounds(wanted)
        if after is not None and oldest_first:
            start = max(start, after.id)
        elif after is not None:
            end = min(end, after.id)
        clause = select(column).where(*conditions, *_between(column, start, end, issuer_id))
        order = [column] if issuer_id is None else [_c.issuer_id, column]
        clause = clause.order_by(*(each if oldest_first else each.desc() for each in order))
        return [Place(0, row[0]) for row in connection.execute(clause.limit(limit)).fetchall()]

    return window


def _between(
    column: ColumnElement[str], start: str, end: str, issuer_id: str | None
) -> Iterator[ColumnElement[bool]]:
    if issuer_id is not None:
        place = tuple_(_c.issuer_id, column)
        yield place > tuple_(issuer_id, start)
        yield place < tuple_(issuer_id, end)
        return
    # No range where none was asked for.
    if start:
        yield column > start
    if end != _LAST_ID:
        yield column < end


def _bounds(wanted: CertificateFilter) -> tuple[str, str]:
    """A range of issuance as a range of ids, neither end in it, wide enough to miss nothing."""
    start, end = wanted.issued_from_us, wanted.issued_before_us
    return (
        _id_at(start - _SLACK_US) if start is not None else "",
        _id_at(end + _SLACK_US) if end is not None else _LAST_ID,
    )


def _id_at(time_us: int) -> str:
    within = min(max(time_us, 0), ((1 << 48) - 1) * 1000)
    return sortable_id(within, bytes)


def _by_group(wanted: CertificateFilter, *, oldest_first: bool) -> Window:
    """Certificates of the same profiles and issuer are a group, which one index keeps in
    order of ids; the groups asked for are merged.
    """

    known: list[tuple[str, str, str]] = []

    def window(connection: Connection, after: Place | None, limit: int) -> list[Place]:
        if not known:
            known.extend(islice(groups(connection, wanted), _MOST_GROUPS + 1))
        if len(known) > _MOST_GROUPS:
            return _everything(wanted, oldest_first=oldest_first)(connection, after, limit)
        parts = [
            _ids(
                wanted,
                _c.id,
                (_c.profile == one, _c.certificate_profile == other),
                oldest_first=oldest_first,
                issuer_id=issuer,
            )(connection, after, limit)
            for one, other, issuer in known
        ]
        ordered = merge(*parts, key=lambda place: place.id, reverse=not oldest_first)
        return [*islice(ordered, limit)]

    return window


def groups(connection: Connection, wanted: CertificateFilter) -> Iterator[tuple[str, str, str]]:
    """The groups asked for. One step into the index for each value there is: a comparison
    of row values would walk over every certificate of a group.
    """
    profiles = wanted.profiles if wanted.profile is None else ()
    for profile in profiles or _values(connection, (), wanted.profile):
        for rules in _values(connection, (profile,), wanted.certificate_profile):
            for issuer in _values(connection, (profile, rules), wanted.issuer_id):
                yield profile, rules, issuer


_GROUP = (_c.profile, _c.certificate_profile, _c.issuer_id)


def _values(connection: Connection, known: tuple[str, ...], wanted: str | None) -> Iterator[str]:
    """Values of the next column of the index behind those known; just the one wanted."""
    if wanted is not None:
        yield wanted
        return
    first = _next_value(connection.dialect, len(known), further=False)
    further = _next_value(connection.dialect, len(known), further=True)
    row = connection.exec_driver_sql(first, known).fetchone()
    while row is not None:
        yield row[0]
        row = connection.exec_driver_sql(further, (*known, row[0])).fetchone()


@lru_cache(maxsize=16)
def _next_value(dialect: Dialect, known: int, *, further: bool) -> str:
    column = _GROUP[known]
    names = [f"known_{n}" for n in range(known)]
    clause = select(column).order_by(column).limit(literal_column("1"))
    for name, each in zip(names, _GROUP, strict=False):
        clause = clause.where(each == bindparam(name))
    if further:
        clause = clause.where(column > bindparam("last"))
        names.append("last")
    # Said, or SQLite's compiler adds a parameter of its own for it.
    return positional(clause.offset(literal_column("0")), dialect, names)


def _by_name(wanted: CertificateFilter) -> Window:
    kind, match = next(asked for asked in names_asked(wanted) if asked[1].prefix)
    return _pairs(_n.name, _n.certificate_id, match.key, *_ends(match), _is(kind))


def _is(kind: int) -> ColumnElement[bool]:
    return _n.kinds.bitwise_and(kind) > 0


def _ends(match: NameMatch) -> Iterator[ColumnElement[bool]]:
    # The next octet string of this length or less: 0xFF cannot be counted up.
    end = match.key.rstrip(b"\xff")
    if end:
        yield _n.name < end[:-1] + bytes([end[-1] + 1])


def _by_expiry(wanted: CertificateFilter, now_us: int) -> Window:
    start = wanted.expires_from_us or 0
    conditions = []
    if wanted.expires_before_us is not None:
        conditions.append(_c.not_after_us < wanted.expires_before_us)
    if wanted.status is WantedStatus.EXPIRED:
        conditions.append(_c.not_after_us <= now_us)
    if wanted.status is WantedStatus.VALID:
        start = max(start, now_us + 1)
    return _pairs(_c.not_after_us, _c.id, start, *conditions)


def _pairs(
    key: ColumnElement[Any],
    column: ColumnElement[str],
    start: bytes | int,
    *conditions: ColumnElement[bool],
) -> Window:
    """Keys in rising order from ``start`` on, ids within one key."""

    def window(connection: Connection, after: Place | None, limit: int) -> list[Place]:
        # Never both: SQLite would begin at the key alone, and many may have the same.
        begin = key >= start if after is None else tuple_(key, column) > tuple_(*after)
        clause: Select[Any] = select(key, column).where(begin, *conditions).order_by(key, column)
        return [Place(*row) for row in connection.execute(clause.limit(limit)).fetchall()]

    return window


def _said(condition: str) -> ColumnElement[bool]:
    return text(condition)  # type: ignore[return-value]


def _octets(serial: str) -> bytes:
    try:
        return serial_octets(serial)
    except ValueError:
        return b""
