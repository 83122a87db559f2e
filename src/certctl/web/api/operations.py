"""How the server is doing: ``/jobs`` and ``/stats``."""

from __future__ import annotations

from pydantic import BaseModel, Field

from certctl.domain.api_keys import Role
from certctl.domain.clock import SECOND_US
from certctl.domain.lease import Lease
from certctl.domain.ports import Records
from certctl.domain.search import Activity
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Listing, Moment, microseconds, moment
from certctl.web.api.services import Api, Ask

WINDOW_HOURS = (1, 24)
# As long as certificates are few they are counted for each answer.
REMEMBERED_US = 5 * SECOND_US
MOST_REMEMBERED = 64

_HOUR_US = 3_600 * SECOND_US


class JobOut(BaseModel):
    """A job; ``outcome`` is of its last complete run. While it runs, nobody else does it until
    ``leased_until``.
    """

    name: str
    holder: str
    running: bool
    leased_until: Moment | None
    runs: int
    last_run_at: Moment | None
    outcome: str


class Rates(BaseModel):
    """What EST was asked in the last hours."""

    hours: int
    enrolled: int
    renewed: int
    refused: int


class ExpiryBucket(BaseModel):
    """Valid certificates with less than so many days left, and no less than the one before."""

    below_days: int | None = Field(description="null: all the rest.")
    certificates: int


class Stats(BaseModel):
    """``past_renewal``: two thirds of their life are over and nothing has renewed them.

    ``counted_at``: when the certificates were counted. Many are counted now and then, by the
    jobs; before the first time it is null, as is ``past_renewal``, and ``expiry`` is empty.
    """

    now: Moment
    rates: list[Rates]
    counted_at: Moment | None
    expiry: list[ExpiryBucket]
    past_renewal: int | None


async def jobs(api: Api) -> Listing[JobOut]:
    """Every job that ever ran, and where it runs now."""
    now_us = api.clock()
    rows = await api.read(lambda records: records.leases())
    return Listing(data=[_job(row, now_us) for row in rows], total=len(rows), next_cursor=None)


async def stats(ask: Ask) -> Stats:
    """Rates of the last hours, expiries, and devices past their renewal window.

    At most five seconds old; of many certificates, see ``counted_at``.
    """
    now_us = ask.services.clock()
    visible = ask.caller.visible
    known = ask.services.remembered.get(visible)
    if isinstance(known, Stats) and abs(now_us - microseconds(known.now)) < REMEMBERED_US:
        return known

    def question(records: Records) -> Stats:
        found = records.expiries(now_us, visible)
        return Stats(
            now=moment(now_us),
            rates=[
                _rates(hours, records.activity(now_us - hours * _HOUR_US, visible))
                for hours in WINDOW_HOURS
            ],
            counted_at=moment(found.counted_us) if found else None,
            expiry=[
                ExpiryBucket(below_days=days, certificates=number)
                for days, number in (found.by_days if found else ())
            ],
            past_renewal=found.past_renewal if found else None,
        )

    found = await ask.services.read(question)
    if len(ask.services.remembered) >= MOST_REMEMBERED:
        ask.services.remembered.clear()
    ask.services.remembered[visible] = found
    return found


def _rates(hours: int, found: Activity) -> Rates:
    return Rates(hours=hours, enrolled=found.enrolled, renewed=found.renewed, refused=found.refused)


def _job(row: Lease, now_us: int) -> JobOut:
    return JobOut(
        name=row.job,
        holder=row.holder,
        running=row.until_us > now_us,
        leased_until=moment(row.until_us) if row.until_us > now_us else None,
        runs=row.fence,
        last_run_at=moment(row.last_run_us) if row.last_run_us else None,
        outcome=row.outcome,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs",
        handler=jobs,
        summary="Jobs and their last runs",
        role=Role.VIEWER,
        whole=True,
        answer=Listing[JobOut],
        tag="server",
    ),
    Endpoint(
        method="GET",
        path="/stats",
        handler=stats,
        summary="Figures",
        role=Role.VIEWER,
        answer=Stats,
        tag="server",
    ),
)
