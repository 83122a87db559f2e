"""``/est/activity``: what EST was asked, live (operator §2). Filters live in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from certctl.domain.audit import RecordedEvent
from certctl.domain.errors import Unavailable
from certctl.web.answers import Answer
from certctl.web.api.audit import AuditFilter, AuditPageQuery, EventOut, event_out, list_events
from certctl.web.api.problems import ApiRefused
from certctl.web.api.stream import EventStream
from certctl.web.api.tail import cursor_of
from certctl.web.ui.est import admins_only
from certctl.web.ui.forms import filled
from certctl.web.ui.page import Streaming, Visit
from certctl.web.ui.remedies import Remedy, remedy_of

PER_PAGE = 50


class Chip(NamedTuple):
    """One kind of event, by the beginning of its action."""

    id: str
    title: str
    action: str


CHIPS = (
    Chip("all", "All", "est_"),
    Chip("enrollment", "Enrollment", "est_simple_enroll"),
    Chip("reenrollment", "Re-enrollment", "est_simple_reenroll"),
    Chip("serverkeygen", "ServerKeygen", "est_server_keygen"),
    Chip("authfailure", "AuthFailure", "est_auth_failed"),
)


class Row(NamedTuple):
    """An event with what it means; ``certificate`` is the id of one it is about."""

    event: EventOut
    remedy: Remedy | None
    certificate: str | None


@admins_only
async def activity(visit: Visit) -> Answer:
    """The newest events that the filters let through, and where the next come from."""
    fields = _filters(visit.query)
    query = filled(
        AuditPageQuery,
        {**fields, "cursor": visit.query.get("cursor"), "per_page": str(PER_PAGE)},
    )
    found = await list_events(query, visit.ask)
    kept = {name: visit.query.get(name) for name in ("kind", "profile", "source", "text")}
    return visit.page(
        "est_activity.html",
        tab="activity",
        rows=[row_of(each) for each in found.data],
        total=found.total,
        next_cursor=found.next_cursor,
        chips=CHIPS,
        chosen=_chip(visit.query),
        kept=kept,
        profiles=[each.profile.path_id for each in visit.services.profiles],
        stream=f"/est/activity/stream?{urlencode({k: v for k, v in kept.items() if v})}",
    )


async def stream(visit: Visit) -> Answer | Streaming:
    """Rows of the same table as server-sent events, as they are recorded."""
    tail = visit.tail
    query = filled(AuditFilter, _filters(visit.query)).query(visit.ask.caller.visible)
    if tail.full:
        raise ApiRefused(503, "Too many streams are open.", headers=((b"Retry-After", b"30"),))
    given = visit.last_event_id
    cursor = cursor_of(given) if given else None

    def show(event: RecordedEvent) -> str:
        return visit.render("activity_rows.html", rows=[row_of(event_out(event))], new=True)

    async def may_stay() -> bool:
        if visit.token is None:
            return True
        try:
            found = await visit.sessions.by_token(visit.token)
        except Unavailable:
            return True
        return found is not None and found.holder.role is visit.role

    return EventStream(
        tail,
        query,
        cursor if cursor is not None else await tail.heads(),
        show=show,
        may_stay=may_stay,
        head_only=visit.head_only,
    )


def row_of(event: EventOut) -> Row:
    of_certificate = event.resource.type == "certificate"
    return Row(event, remedy_of(event), event.resource.id if of_certificate else None)


def _chip(query: Mapping[str, str]) -> Chip:
    return next((each for each in CHIPS if each.id == query.get("kind")), CHIPS[0])


def _filters(query: Mapping[str, str]) -> dict[str, str | None]:
    profile = query.get("profile") or None
    fields: dict[str, str | None] = {
        "action": _chip(query).action,
        "source": query.get("source"),
        "text": query.get("text"),
    }
    if profile is not None:
        fields["profile"] = profile
    return fields
