"""Figures about the records (operator §1, ``/stats``): counted beforehand, or few enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from certctl.domain.api_keys import Visible
from certctl.domain.clock import HOUR_US
from certctl.domain.figures import LIVE_CERTIFICATES, InventoryPart
from certctl.domain.ids import made_us
from certctl.domain.search import EXPIRY_BOUNDS_DAYS, MOST_HOURS, NOTHING, Activity, Expiries
from certctl.store.queries.figures import (
    activity_between,
    hours_between,
    inventory_figures,
    inventory_parts,
)
from certctl.store.tables import audit_events, certificates


def activity(connection: Connection, since_us: int, visible: Visible) -> Activity:
    """What EST was asked since a time; folded refusals count in full."""
    return activity_between(connection, since_us, None, visible)


def activity_by_hour(
    connection: Connection, since_us: int, visible: Visible
) -> Mapping[int, Activity]:
    """The same by whole hours since then, from 0; hours without any are left out."""
    newest = connection.execute(select(func.max(audit_events.c.id))).scalar()
    last_us = (made_us(newest) if newest else None) or 0
    hours = min(MOST_HOURS, (last_us - since_us) // HOUR_US + 1)
    found = hours_between(connection, since_us, hours, visible)
    return {at: each for at, each in found.items() if each != NOTHING}


def expiries(connection: Connection, now_us: int, visible: Visible) -> Expiries | None:
    """When what is valid now expires, and what should have been renewed by now."""
    counted = inventory_figures(connection)
    if counted is not None:
        return _expiries(
            counted.made_us,
            [
                each
                for each in counted.parts
                if visible.covers(tenant=each.tenant or None, profile=each.profile)
            ],
        )
    if _more_than_live(connection):
        return None
    parts = inventory_parts(connection, now_us, now_us, None)
    seen = [
        each for each in parts if visible.covers(tenant=each.tenant or None, profile=each.profile)
    ]
    return _expiries(now_us, seen)


def _more_than_live(connection: Connection) -> bool:
    some = select(certificates.c.id).limit(LIVE_CERTIFICATES + 1).subquery()
    number = connection.execute(select(func.count()).select_from(some)).scalar_one()
    return int(number) > LIVE_CERTIFICATES


def _expiries(counted_us: int, parts: Iterable[InventoryPart]) -> Expiries:
    bounds: tuple[int | None, ...] = (*EXPIRY_BOUNDS_DAYS, None)
    rows = list(parts)
    return Expiries(
        counted_us=counted_us,
        by_days=tuple(
            (days, sum(each.by_days[at] for each in rows)) for at, days in enumerate(bounds)
        ),
        past_renewal=sum(each.past_renewal for each in rows),
    )
