"""``/``: how the server is doing, and what needs somebody's attention (operator §2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from certctl.domain.api_keys import Role
from certctl.domain.approval import RequestStatus
from certctl.domain.clock import DAY_US, HOUR_US
from certctl.domain.events import DeliveryStatus
from certctl.domain.ids import oldest_id
from certctl.domain.intent import IntentStatus
from certctl.domain.ports import Records
from certctl.web.answers import Answer
from certctl.web.api import operations
from certctl.web.api.est_profiles import est_profiles
from certctl.web.api.operations import ExpiryBucket
from certctl.web.ui.chart import Series, bars
from certctl.web.ui.page import Visit

HOURS = 24
EXPIRES_SOON_DAYS = 30
LOST_US = 7 * DAY_US
MOST_LOST = 100
COUNTED_NOW = timedelta(seconds=10)


class Concern(NamedTuple):
    """One thing that needs attention; ``grave`` shows it in red."""

    text: str
    place: str
    grave: bool = False


class Hour(NamedTuple):
    """``begins_us`` is the start of the hour."""

    begins_us: int
    enrolled: int
    renewed: int
    refused: int


@dataclass(frozen=True, slots=True)
class _Read:
    hours: list[Hour]
    waiting: int | None
    concerns: list[Concern]


async def overview(visit: Visit) -> Answer:
    stats = await operations.stats(visit.ask)
    found = await visit.services.read(lambda records: _read(records, visit))
    concerns = [*found.concerns]
    if visit.role is Role.ADMIN:
        concerns += await _of_profiles(visit)
    if stats.counted_at is None:
        concerns.append(Concern("The certificates are being counted for the first time", "/jobs"))
    soon = sum(each.certificates for each in stats.expiry if (each.below_days or 999) <= 7)
    if soon:
        concerns.append(
            Concern(f"{soon:,} certificate(s) expire within 7 days", "/certificates?expires=7")
        )
    if stats.past_renewal:
        concerns.append(
            Concern(
                f"{stats.past_renewal:,} device(s) are past their renewal window",
                "/certificates?expires=30",
            )
        )
    ranges = [_range(stats.expiry, at) for at in range(len(stats.expiry))]
    numbers = [each.certificates for each in stats.expiry]
    return visit.page(
        "overview.html",
        parts=visit.parts(),
        hours=found.hours,
        hours_ago=[_ago(HOURS - 1 - at) for at in range(HOURS)],
        activity_chart=bars(
            [str(each.begins_us // HOUR_US) for each in found.hours],
            [
                Series("enrolled", [each.enrolled for each in found.hours]),
                Series("renewed", [each.renewed for each in found.hours]),
                Series("refused", [each.refused for each in found.hours]),
            ],
        ),
        expiry=list(zip(ranges, numbers, strict=True)),
        counted_at=stats.counted_at,
        counted_now=stats.counted_at is not None
        and abs(stats.counted_at - stats.now) < COUNTED_NOW,
        expiry_labels=[_label(stats.expiry, at) for at in range(len(ranges))],
        expiry_chart=bars(ranges, [Series("enrolled", numbers)]),
        waiting=found.waiting,
        concerns=sorted(concerns, key=lambda each: not each.grave),
    )


def _read(records: Records, visit: Visit) -> _Read:
    visible = visit.ask.caller.visible
    now_us = visit.services.clock()
    since_us = now_us // HOUR_US * HOUR_US - (HOURS - 1) * HOUR_US
    by_hour = records.activity_by_hour(since_us, visible)
    hours = []
    for at in range(HOURS):
        one = by_hour.get(at)
        hours.append(
            Hour(
                since_us + at * HOUR_US,
                one.enrolled if one else 0,
                one.renewed if one else 0,
                one.refused if one else 0,
            )
        )
    waiting = None
    if visit.role.covers(Role.OPERATOR):
        waiting = records.request_total(RequestStatus.WAITING, visible)
    concerns = []
    if visible.everything:
        proof = records.audit_proof()
        if proof is not None and proof.broken:
            text = f"The audit trail does not fit: {proof.broken}"
            concerns.append(Concern(text, "/audit", True))
        lost = records.intents(
            statuses=[IntentStatus.LOST], after=oldest_id(now_us - LOST_US), limit=MOST_LOST
        )
        if lost:
            more = " or more" if len(lost) == MOST_LOST else ""
            text = (
                f"{len(lost)}{more} calls of a CA outside were lost within 7 days: whether it"
                " issued is not known"
            )
            concerns.append(Concern(text, "/audit?action=intent_lost", True))
        dead = sum(
            number
            for (_, status), number in records.outbox_depth().items()
            if status is DeliveryStatus.DEAD
        )
        if dead:
            concerns.append(Concern(f"{dead:,} events could not be delivered", "/events", True))
        concerns += [
            Concern(f"The job {each.job} says: {each.outcome}", "/jobs", True)
            for each in records.leases()
            if each.outcome not in ("", "ok")
        ]
    return _Read(hours, waiting, concerns)


async def _of_profiles(visit: Visit) -> list[Concern]:
    """Findings about the configuration and trust anchors that end soon: for admins."""
    told = await est_profiles(visit.ask)
    concerns = []
    for each in told.profiles:
        name = f"EST profile {each.path_id or '(legacy root)'}"
        concerns += [Concern(f"{name}: {finding}", "/est") for finding in each.lint]
        concerns += [Concern(f"{name}: {note}", "/est/trust", True) for note in each.trust_notes]
        for anchor in each.trust_anchors:
            if anchor.expired:
                text = f"{name}: the trust anchor {anchor.subject} has expired"
                concerns.append(Concern(text, "/est/trust", True))
            elif anchor.days_to_expiry < EXPIRES_SOON_DAYS:
                text = (
                    f"{name}: the trust anchor {anchor.subject} expires in"
                    f" {anchor.days_to_expiry} days"
                )
                concerns.append(Concern(text, "/est/trust"))
    return concerns


def _ago(hours: int) -> str:
    """A label below each sixth bar; the picture knows no time zone."""
    if not hours:
        return "now"
    return f"\u2212{hours} h" if hours % 6 == 5 else ""


def _label(buckets: list[ExpiryBucket], at: int) -> str:
    """The same range as in the table, short enough to stand below its bar."""
    below = buckets[at].below_days
    before = buckets[at - 1].below_days if at else 0
    return f"{before}+ d" if below is None else f"{before}\u2013{below} d"


def _range(buckets: list[ExpiryBucket], at: int) -> str:
    below = buckets[at].below_days
    before = buckets[at - 1].below_days if at else 0
    return f"{before} days and more" if below is None else f"{before} to {below} days"
