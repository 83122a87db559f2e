"""Figures about the records (operator §1, ``/stats``). Each walks over many rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import and_, case, func, select, true
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import Visible
from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.clock import DAY_US, HOUR_US
from certctl.domain.search import EXPIRY_BOUNDS_DAYS, Activity, AuditQuery, Expiries
from certctl.store.queries.search import audit_condition, visible_part
from certctl.store.tables import audit_events, certificates

_e = audit_events.c
_c = certificates.c


def activity(connection: Connection, since_us: int, visible: Visible) -> Activity:
    """What EST was asked since a time; folded refusals count in full."""
    found = audit_condition(AuditQuery(action="est_", since_us=since_us, visible=visible))
    clause = (
        select(_e.action, _e.outcome, func.sum(_e.count))
        .where(found)
        .group_by(_e.action, _e.outcome)
    )
    return _activity([(row[0], row[1], row[2]) for row in connection.execute(clause)])


def activity_by_hour(
    connection: Connection, since_us: int, visible: Visible
) -> Mapping[int, Activity]:
    """The same by whole hours since then, from 0; hours without any are left out."""
    found = audit_condition(AuditQuery(action="est_", since_us=since_us, visible=visible))
    hour = (_e.time_us - since_us) // HOUR_US
    clause = (
        select(hour.label("hour"), _e.action, _e.outcome, func.sum(_e.count))
        .where(found)
        .group_by("hour", _e.action, _e.outcome)
    )
    rows: dict[int, list[tuple[str, str, int]]] = {}
    for at, action, outcome, total in connection.execute(clause):
        rows.setdefault(int(at), []).append((action, outcome, total))
    return {at: _activity(some) for at, some in rows.items()}


def _activity(rows: Iterable[tuple[str, str, int]]) -> Activity:
    enrolled = renewed = refused = 0
    for action, outcome, total in rows:
        if outcome == Outcome.FAILURE.value:
            refused += int(total)
        elif action == AuditAction.SIMPLE_ENROLL_SUCCESS.value:
            enrolled += int(total)
        elif action == AuditAction.SIMPLE_REENROLL_SUCCESS.value:
            renewed += int(total)
    return Activity(enrolled=enrolled, renewed=renewed, refused=refused)


def expiries(connection: Connection, now_us: int, visible: Visible) -> Expiries:
    """When what is valid now expires, and what should have been renewed by now."""
    seen = visible_part(certificates, visible)
    valid = and_(_c.status == "valid", _c.not_after_us > now_us, seen)
    before = now_us
    sums = []
    for days in EXPIRY_BOUNDS_DAYS:
        bound = now_us + days * DAY_US
        within = and_(_c.not_after_us >= before, _c.not_after_us < bound)
        sums.append(func.coalesce(func.sum(case((within, 1), else_=0)), 0))
        before = bound
    sums.append(func.coalesce(func.sum(case((_c.not_after_us >= before, 1), else_=0)), 0))
    row = connection.execute(select(*sums).where(valid)).one()
    # One pass and one set of ids: asked row by row it would walk over all for each.
    renewed = select(_c.renews).where(_c.renews.is_not(None))
    late = and_(
        valid,
        (_c.not_after_us - now_us) * 3 < _c.not_after_us - _c.not_before_us,
        _c.source != "internal",
        _c.id.not_in(renewed),
    )
    past = connection.execute(select(func.count()).select_from(certificates).where(late, true()))
    bounds: tuple[int | None, ...] = (*EXPIRY_BOUNDS_DAYS, None)
    return Expiries(
        by_days=tuple((days, int(n)) for days, n in zip(bounds, row, strict=True)),
        past_renewal=int(past.scalar_one()),
    )
