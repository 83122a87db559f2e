"""``/jobs`` and ``/events``: what runs by itself, and what goes to other systems."""

from __future__ import annotations

from functools import partial

from certctl.authority.commands import Requeued, RequeueDeliveries
from certctl.domain.events import Delivery, DeliveryStatus
from certctl.domain.ports import Records
from certctl.web.answers import Answer
from certctl.web.api import operations
from certctl.web.api.problems import ApiRefused
from certctl.web.ui.job_purposes import purpose
from certctl.web.ui.page import Visit, see

PER_PAGE = 50


async def jobs(visit: Visit) -> Answer:
    found = await operations.jobs(visit.services)
    return visit.page("jobs.html", rows=[(each, purpose(each.name)) for each in found.data])


async def events(visit: Visit) -> Answer:
    status = visit.query.get("status", "")
    try:
        wanted = DeliveryStatus(status) if status else None
    except ValueError:
        raise ApiRefused(422, "There is no such status.") from None
    rows, depth = await visit.services.read(
        partial(_deliveries, wanted, _place(visit.query.get("cursor")))
    )
    more = rows[PER_PAGE:]
    rows = rows[:PER_PAGE]
    return visit.page(
        "events.html",
        rows=rows,
        next_cursor=f"{rows[-1].event_id}~{rows[-1].channel}" if more else None,
        chosen=status,
        statuses=[each.value for each in DeliveryStatus],
        dead=sum(n for (_, each), n in depth.items() if each is DeliveryStatus.DEAD),
        waiting=sum(n for (_, each), n in depth.items() if each is DeliveryStatus.WAITING),
    )


async def requeue(visit: Visit) -> Answer:
    """Let one dead event wait again, or all of them, a bounded number at a time."""
    event_id = visit.form.get("event_id") or None
    more = True
    while more:
        command = RequeueDeliveries(event_id=event_id, channel=None, actor=visit.ask.caller.actor)
        more = (await visit.ask.do(command, Requeued)).more
    return see("/events")


def _deliveries(
    status: DeliveryStatus | None, after: tuple[str, str] | None, records: Records
) -> tuple[list[Delivery], dict[tuple[str, DeliveryStatus], int]]:
    rows = records.deliveries(status=status, after=after, limit=PER_PAGE + 1)
    return list(rows), dict(records.outbox_depth())


def _place(cursor: str | None) -> tuple[str, str] | None:
    if not cursor:
        return None
    event_id, _, channel = cursor.partition("~")
    return event_id, channel
