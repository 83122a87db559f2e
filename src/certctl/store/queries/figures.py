"""Read figures, count them for the jobs, and count by hand what no figure covers yet.

Nothing here that a page asks walks over more than ``domain.figures.LIVE_CERTIFICATES``
certificates, or the events that came after the last slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import Visible
from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.clock import DAY_US, HOUR_US
from certctl.domain.figures import (
    SLOT_US,
    ActivitySlot,
    ActivitySpan,
    AuditProof,
    InventoryFigures,
    InventoryPart,
)
from certctl.domain.ids import oldest_id
from certctl.domain.search import EXPIRY_BOUNDS_DAYS, NOTHING, Activity
from certctl.store.figure_rows import NAMES, Kind, figures_of
from certctl.store.queries.search import visible_part
from certctl.store.tables import activity_slots, audit_events, certificates, figures

_c = certificates.c
_e = audit_events.c
_s = activity_slots.c


def inventory_figures(connection: Connection) -> InventoryFigures | None:
    return _figures(connection, InventoryFigures)


def activity_span(connection: Connection) -> ActivitySpan | None:
    return _figures(connection, ActivitySpan)


def audit_proof(connection: Connection) -> AuditProof | None:
    return _figures(connection, AuditProof)


def _figures(connection: Connection, kind: type[Kind]) -> Kind | None:
    clause = select(figures.c.document).where(figures.c.name == NAMES[kind])
    return figures_of(kind, connection.execute(clause).scalar())


def expiry_bound(connection: Connection, after_us: int, most: int) -> int | None:
    """The notAfter up to which (not included) about ``most`` certificates expire from
    ``after_us`` on; None where they are no more than that. Reads an index alone.
    """
    ends = select(_c.not_after_us).where(_c.not_after_us >= after_us).order_by(_c.not_after_us)
    bound = connection.execute(ends.offset(most).limit(1)).scalar()
    if bound is None or bound > after_us:
        return bound
    # They all end at once: as many as that are, they are counted together.
    clause = select(func.min(_c.not_after_us)).where(_c.not_after_us > after_us)
    return connection.execute(clause).scalar()


def inventory_parts(
    connection: Connection, now_us: int, from_us: int, until_us: int | None
) -> Sequence[InventoryPart]:
    """Unexpired, unrevoked certificates with a notAfter in this range, by profile and tenant.

    ``from_us`` is no earlier than ``now_us``; what ends at ``now_us`` has expired.
    """
    ends = _c.not_after_us
    condition: ColumnElement[bool] = and_(_c.status == "valid", ends >= from_us, ends > now_us)
    if until_us is not None:
        condition = and_(condition, ends < until_us)
    clause = (
        select(_c.profile, _c.tenant, *_sums(now_us), _late(now_us))
        .where(condition)
        .group_by(_c.profile, _c.tenant)
    )
    return [
        InventoryPart(
            profile=row[0],
            tenant=row[1] or "",
            by_days=tuple(map(int, row[2:-1])),
            past_renewal=int(row[-1]),
        )
        for row in connection.execute(clause).fetchall()
    ]


def _sums(now_us: int) -> list[ColumnElement[int]]:
    ends, before, sums = _c.not_after_us, now_us, []
    for days in EXPIRY_BOUNDS_DAYS:
        bound = now_us + days * DAY_US
        sums.append(func.sum(case((and_(ends >= before, ends < bound), 1), else_=0)))
        before = bound
    return [*sums, func.sum(case((ends >= before, 1), else_=0))]


def _late(now_us: int) -> ColumnElement[int]:
    """Past two thirds of their life, and nothing has renewed them."""
    renewal = certificates.alias("renewal")
    renewed = select(renewal.c.id).where(renewal.c.renews == _c.id).exists()
    late = and_(
        (_c.not_after_us - now_us) * 3 < _c.not_after_us - _c.not_before_us,
        _c.source != "internal",
        ~renewed,
    )
    return func.sum(case((late, 1), else_=0))


def counted_slots(connection: Connection, from_us: int, until_us: int) -> Sequence[ActivitySlot]:
    """What was recorded in this time, counted anew; both ends are multiples of a slot."""
    found = []
    for begins_us in range(from_us, until_us, SLOT_US):
        clause = (
            select(_e.profile, _e.tenant, _e.action, _e.outcome, func.sum(_e.count))
            .where(_recorded(begins_us, begins_us + SLOT_US))
            .group_by(_e.profile, _e.tenant, _e.action, _e.outcome)
        )
        rows: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        for profile, tenant, *rest in connection.execute(clause).fetchall():
            rows.setdefault((profile, tenant or ""), []).append((rest[0], rest[1], rest[2]))
        for (profile, tenant), some in sorted(rows.items()):
            one = activity_of(some)
            found.append(
                ActivitySlot(
                    begins_us=begins_us,
                    profile=profile,
                    tenant=tenant,
                    enrolled=one.enrolled,
                    renewed=one.renewed,
                    refused=one.refused,
                )
            )
    return found


def recorded_since(connection: Connection, since_us: int, most: int) -> int:
    """How many audit events, but no more than ``most``. Reads an index alone."""
    some = select(_e.id).where(_e.id >= oldest_id(max(0, since_us))).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def activity_between(
    connection: Connection, from_us: int, until_us: int | None, visible: Visible
) -> Activity:
    """What EST was asked in a span of time: out of slots, and by hand where none are."""
    span = activity_span(connection)
    if span is None:
        return _by_hand(connection, from_us, until_us, visible)
    first = max(span.from_us, -(-from_us // SLOT_US) * SLOT_US)
    last = span.until_us if until_us is None else min(span.until_us, until_us)
    last = last // SLOT_US * SLOT_US
    if first >= last:
        return _by_hand(connection, from_us, until_us, visible)
    return added(
        (
            _by_hand(connection, from_us, first, visible),
            _of_slots(connection, first, last, visible),
            _by_hand(connection, last, until_us, visible),
        )
    )


def hours_between(
    connection: Connection, since_us: int, hours: int, visible: Visible
) -> Mapping[int, Activity]:
    """``activity_between`` for each of so many hours; the last one has no end."""
    span = activity_span(connection)
    ends = [since_us + at * HOUR_US for at in range(1, hours)] + [None]
    if span is None or since_us % SLOT_US:
        return {
            at: activity_between(connection, since_us + at * HOUR_US, end_us, visible)
            for at, end_us in enumerate(ends)
        }
    hour = ((_s.begins_us - since_us) // HOUR_US).label("hour")
    clause = (
        select(hour, func.sum(_s.enrolled), func.sum(_s.renewed), func.sum(_s.refused))
        .where(
            _s.begins_us >= max(span.from_us, since_us),
            _s.begins_us < span.until_us,
            visible_part(activity_slots, visible),
        )
        .group_by("hour")
    )
    slots: dict[int, Activity] = {}
    for row in connection.execute(clause).fetchall():
        one = Activity(enrolled=int(row[1]), renewed=int(row[2]), refused=int(row[3]))
        at = min(int(row[0]), hours - 1)
        slots[at] = added((slots.get(at, NOTHING), one))
    found = {}
    for at, end_us in enumerate(ends):
        begins_us = since_us + at * HOUR_US
        first, last = max(begins_us, span.from_us), span.until_us
        if end_us is not None:
            first, last = min(first, end_us), min(last, end_us)
        last = max(first, last)
        found[at] = added(
            (
                slots.get(at, NOTHING),
                _by_hand(connection, begins_us, first, visible),
                _by_hand(connection, last, end_us, visible),
            )
        )
    return found


def _of_slots(connection: Connection, from_us: int, until_us: int, visible: Visible) -> Activity:
    clause = select(func.sum(_s.enrolled), func.sum(_s.renewed), func.sum(_s.refused)).where(
        _s.begins_us >= from_us, _s.begins_us < until_us, visible_part(activity_slots, visible)
    )
    enrolled, renewed, refused = connection.execute(clause).one()
    return Activity(
        enrolled=int(enrolled or 0), renewed=int(renewed or 0), refused=int(refused or 0)
    )


def _by_hand(
    connection: Connection, from_us: int, until_us: int | None, visible: Visible
) -> Activity:
    if until_us is not None and from_us >= until_us:
        return NOTHING
    clause = (
        select(_e.action, _e.outcome, func.sum(_e.count))
        .where(_recorded(from_us, until_us), visible_part(audit_events, visible))
        .group_by(_e.action, _e.outcome)
    )
    return activity_of((row[0], row[1], row[2]) for row in connection.execute(clause).fetchall())


def _recorded(from_us: int, until_us: int | None) -> ColumnElement[bool]:
    """EST's events that were recorded in this time: ids tell it, and have an index."""
    condition = and_(_e.id >= oldest_id(max(0, from_us)), func.substr(_e.action, 1, 4) == "est_")
    if until_us is not None:
        condition = and_(condition, _e.id < oldest_id(max(0, until_us)))
    return condition


def added(some: Iterable[Activity]) -> Activity:
    rows = list(some)
    return Activity(
        enrolled=sum(each.enrolled for each in rows),
        renewed=sum(each.renewed for each in rows),
        refused=sum(each.refused for each in rows),
    )


def activity_of(rows: Iterable[tuple[str, str, int]]) -> Activity:
    """Of actions, outcomes and their numbers."""
    enrolled = renewed = refused = 0
    for action, outcome, total in rows:
        if outcome == Outcome.FAILURE.value:
            refused += int(total)
        elif action == AuditAction.SIMPLE_ENROLL_SUCCESS.value:
            enrolled += int(total)
        elif action == AuditAction.SIMPLE_REENROLL_SUCCESS.value:
            renewed += int(total)
    return Activity(enrolled=enrolled, renewed=renewed, refused=refused)
