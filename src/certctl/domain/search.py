"""What people look for in the records, and what they may see of them.

A query is plain data; the store turns it into SQL, and ``matches`` says the same of one
event that is already at hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from certctl.domain.api_keys import Visible
from certctl.domain.audit import AuditEvent, Outcome, RecordedEvent

MOST_COUNTED = 100_000
"""A list's total is counted no further: a count walks over every row it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which piece of a list: after an id (keyset), or after so many rows."""

    after: str | None = None
    skip: int = 0
    limit: int = 100


MOST_LOOKED_AT = 10_000
"""Audit events that are held against a filter for one page; there is no index for filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """All conditions hold together; None asks for nothing.

    Attributes:
        action: the beginning of an action's name.
        since_us: the earliest time, included.
        until_us: the time before which events must be.
        text: contained, in any ASCII case, in details, actor, resource or subject.
    """

    action: str | None = None
    actor: str | None = None
    profile: str | None = None
    outcome: Outcome | None = None
    source: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    text: str | None = None
    visible: Visible = field(default_factory=Visible)

    @property
    def finds_all(self) -> bool:
        """It lets every event through."""
        return self == AuditQuery()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Events, the newest first. ``rest`` is the id below which nothing was looked at yet; the
    list goes on after it, also where the page holds fewer events than asked for, or none.
    None: it was looked to the end.
    """

    rows: Sequence[RecordedEvent]
    rest: str | None


def matches(query: AuditQuery, event: AuditEvent) -> bool:
    """Whether a query finds this event."""
    return (
        event.action.startswith(query.action or "")
        and query.actor in (None, event.actor)
        and query.profile in (None, event.profile)
        and query.outcome in (None, event.outcome)
        and query.source in (None, event.source_address)
        and (query.since_us is None or event.time_us >= query.since_us)
        and (query.until_us is None or event.time_us < query.until_us)
        and (query.text is None or _holds(event, query.text))
        and query.visible.covers(tenant=event.tenant, profile=event.profile)
    )


def _holds(event: AuditEvent, text: str) -> bool:
    wanted = folded(text)
    details = json.dumps(dict(event.details), ensure_ascii=False, separators=(",", ":"))
    fields = (details, event.actor, event.resource_id, event.client_certificate_subject)
    return any(wanted in folded(each) for each in fields)


def folded(text: str) -> str:
    """Lower case in ASCII alone, as every database's LIKE and lower agree on it."""
    return "".join(each.lower() if each.isascii() else each for each in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How many certificates were issued, renewed and refused in a span of time."""

    enrolled: int
    renewed: int
    refused: int


NOTHING = Activity(enrolled=0, renewed=0, refused=0)

MOST_HOURS = 48
"""Of activity by the hour; what was recorded later belongs to the last of them. A clock that
once stood in another century must not make a list of all its hours.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiries:
    """Unexpired, unrevoked certificates by the whole days they have left.

    Attributes:
        counted_us: when: as long as there are few, now; else some time ago.
        by_days: numbers of those with less than so many days left, and not less than the
            bound before; the last, under None, holds the rest.
        past_renewal: those past two thirds of their life that nothing has renewed.
    """

    counted_us: int
    by_days: tuple[tuple[int | None, int], ...]
    past_renewal: int


EXPIRY_BOUNDS_DAYS = (1, 7, 30, 90, 365)
