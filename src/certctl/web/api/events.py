"""Events on their way to other systems: ``/events``, dead letters among them (records §7)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field, StrictBool

from certctl.authority.commands import Requeued, RequeueDeliveries
from certctl.domain.api_keys import Role
from certctl.domain.errors import NotFound
from certctl.domain.events import Delivery, DeliveryStatus, EventType
from certctl.domain.ports import Records
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import (
    MOST_PER_PAGE,
    Listing,
    Moment,
    RecordId,
    ShortText,
    Strict,
    moment,
)
from certctl.web.api.problems import ApiRefused
from certctl.web.api.services import Ask


class DeliveryOut(BaseModel):
    """One event on its way to one channel. ``at``: when it is due, or since when it is
    delivered or dead. ``error`` is of the last attempt and holds no secret.
    """

    event_id: str
    channel: str
    type: EventType
    subject: str
    status: DeliveryStatus
    at: Moment
    attempts: int
    error: str


class EventDetail(BaseModel):
    """``event`` as it is sent: CloudEvents 1.0 in JSON."""

    id: str
    event: dict[str, Any]
    deliveries: list[DeliveryOut]


class DeliveryQuery(Strict):
    """``status=dead`` are the dead letters: given up after all attempts."""

    status: DeliveryStatus | None = None
    cursor: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,512}$")
    per_page: int = Field(default=50, ge=1, le=MOST_PER_PAGE)


class Requeue(Strict):
    """Which dead ones: of a channel, or ``all``."""

    channel: ShortText | None = None
    all: StrictBool = False


class RequeueOne(Strict):
    """``channel``: only to this one."""

    channel: ShortText | None = None


class RequeuedOut(BaseModel):
    """How many wait again; ``more``: the same request again goes on with others."""

    requeued: int
    more: bool


async def list_deliveries(
    query: Annotated[DeliveryQuery, Query()], ask: Ask
) -> Listing[DeliveryOut]:
    """Deliveries of events, oldest event first. Delivered ones are kept for a while.

    ``total`` is given for status waiting and dead; else it is null.
    """
    after = _place(query.cursor) if query.cursor is not None else None

    def question(records: Records) -> Listing[DeliveryOut]:
        rows = records.deliveries(status=query.status, after=after, limit=query.per_page + 1)
        total = None
        if query.status in {DeliveryStatus.WAITING, DeliveryStatus.DEAD}:
            depth = records.outbox_depth().items()
            total = sum(number for (_, status), number in depth if status is query.status)
        data = rows[: query.per_page]
        return Listing(
            data=[delivery_out(each) for each in data],
            total=total,
            next_cursor=_cursor(data[-1]) if len(rows) > len(data) else None,
        )

    return await ask.services.read(question)


async def show_delivered(event_id: RecordId, ask: Ask) -> EventDetail:
    """One event as it is sent, and how far it has come on each channel."""
    rows = await ask.services.read(lambda records: records.deliveries_of(event_id))
    if not rows:
        raise NotFound(f"event {event_id} in the outbox")
    return EventDetail(
        id=event_id,
        event=json.loads(rows[0].body),
        deliveries=[delivery_out(each) for each in rows],
    )


async def requeue(body: Requeue, ask: Ask) -> RequeuedOut:
    """Send dead events again: those of a channel, or all; a bounded number at once."""
    if (body.channel is None) is not body.all:
        raise ApiRefused(
            400,
            "It is not said which events are to be sent again.",
            error="nothing_chosen",
            remedy="Name a channel, or say all: true.",
        )
    return await _requeue(None, body.channel, ask)


async def requeue_event(event_id: RecordId, body: RequeueOne, ask: Ask) -> RequeuedOut:
    """Send one dead event again, to all channels where it is dead or to one. 404 if there
    is none.
    """
    done = await _requeue(event_id, body.channel, ask)
    if not done.requeued:
        raise NotFound(f"dead event {event_id}")
    return done


async def _requeue(event_id: str | None, channel: str | None, ask: Ask) -> RequeuedOut:
    command = RequeueDeliveries(event_id=event_id, channel=channel, actor=ask.caller.actor)
    done = await ask.do(command, Requeued)
    return RequeuedOut(requeued=done.rows, more=done.more)


def delivery_out(row: Delivery) -> DeliveryOut:
    return DeliveryOut(
        event_id=row.event_id,
        channel=row.channel,
        type=row.type,
        subject=row.subject,
        status=row.status,
        at=moment(row.at_us),
        attempts=row.attempts,
        error=row.error,
    )


def _cursor(row: Delivery) -> str:
    return urlsafe_b64encode(f"{row.event_id} {row.channel}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[str, str]:
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        event_id, channel = text.split(" ")
    except ValueError:
        raise ApiRefused(422, "This is no cursor of this list.", error="cursor_refused") from None
    return event_id, channel


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events",
        handler=list_deliveries,
        summary="Events on their way to other systems",
        role=Role.VIEWER,
        whole=True,
        answer=Listing[DeliveryOut],
        tag="events",
    ),
    Endpoint(
        method="GET",
        path="/events/{event_id}",
        handler=show_delivered,
        summary="One event and its deliveries",
        role=Role.VIEWER,
        whole=True,
        answer=EventDetail,
        tag="events",
    ),
    Endpoint(
        method="POST",
        path="/events/requeue",
        handler=requeue,
        summary="Send dead events again",
        role=Role.ADMIN,
        whole=True,
        answer=RequeuedOut,
        example={"channel": "ops"},
        tag="events",
    ),
    Endpoint(
        method="POST",
        path="/events/{event_id}/requeue",
        handler=requeue_event,
        summary="Send one dead event again",
        role=Role.ADMIN,
        whole=True,
        answer=RequeuedOut,
        example={"channel": "ops"},
        tag="events",
    ),
)
