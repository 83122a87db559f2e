"""The audit trail: ``/audit``, one event, the checkpoints (records §5)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from certctl.domain.api_keys import Role, Visible
from certctl.domain.audit import Outcome, RecordedEvent
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.errors import NotFound
from certctl.domain.ports import Records
from certctl.domain.search import AuditQuery
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import (
    Listing,
    Moment,
    PageQuery,
    RecordId,
    ShortText,
    Strict,
    microseconds,
    moment,
)
from certctl.web.api.services import Ask


class Resource(BaseModel):
    type: str
    id: str


class ClientCertificate(BaseModel):
    subject: str
    serial: str


class EventOut(BaseModel):
    """An audit event; ``count`` is above 1 where identical refusals were folded."""

    id: str
    time: Moment
    node: str
    seq: int
    actor: str
    actor_type: str
    action: str
    outcome: Outcome
    profile: str
    resource: Resource
    source_address: str
    request_id: str
    auth_mode: str
    client_certificate: ClientCertificate
    tls_version: str
    count: int
    details: dict[str, Any]
    tenant: str | None
    previous_digest: str
    digest: str


class AuditFilter(Strict):
    """All that are given hold together."""

    action: str | None = Field(
        default=None, pattern=r"^[a-z_]{0,64}$", description="Beginning of the action's name."
    )
    actor: ShortText | None = None
    profile: ShortText | None = None
    outcome: Outcome | None = None
    source: ShortText | None = Field(default=None, description="Source address.")
    since: Moment | None = Field(default=None, alias="from", description="Included.")
    until: Moment | None = Field(default=None, alias="to", description="Not included.")
    text: ShortText | None = Field(
        default=None, description="Contained in details, actor, resource or subject."
    )

    def query(self, visible: Visible) -> AuditQuery:
        return AuditQuery(
            action=self.action,
            actor=self.actor,
            profile=self.profile,
            outcome=self.outcome,
            source=self.source,
            since_us=microseconds(self.since) if self.since is not None else None,
            until_us=microseconds(self.until) if self.until is not None else None,
            text=self.text,
            visible=visible,
        )


class AuditPageQuery(PageQuery, AuditFilter):
    """The filters, and which page."""


class HeadOut(BaseModel):
    node: str
    seq: int
    digest: str


class CheckpointOut(BaseModel):
    """A seal over all chains: Ed25519, verified by ``certctl-server audit verify``."""

    number: int
    made_at: Moment
    previous: str
    heads: list[HeadOut]
    key_id: str
    signature: str


class CheckpointQuery(Strict):
    after: int = Field(default=0, ge=0, le=2**53, description="Numbers above this one.")
    per_page: int = Field(default=50, ge=1, le=500)


async def list_events(query: Annotated[AuditPageQuery, Query()], ask: Ask) -> Listing[EventOut]:
    """Audit events, the newest first.

    A page may hold fewer rows than asked, even none, and still have a next one: the work for
    each is bounded. ``total`` is null where only a walk over many events could tell.
    """
    found = query.query(ask.caller.visible)

    def question(records: Records) -> Listing[EventOut]:
        page = records.audit_page(found, query.wanted())
        total = records.audit_total(found)
        return query.listing(
            page.rows, total, show=event_out, cursor=lambda row: row.id, rest=page.rest
        )

    return await ask.services.read(question)


async def show_event(event_id: RecordId, ask: Ask) -> EventOut:
    """One audit event."""
    row = await ask.services.read(lambda records: records.audit_event(event_id, ask.caller.visible))
    if row is None:
        raise NotFound(f"audit event {event_id}")
    return event_out(row)


async def list_checkpoints(
    query: Annotated[CheckpointQuery, Query()], ask: Ask
) -> Listing[CheckpointOut]:
    """Checkpoints in order of their numbers; ``next_cursor`` is the next ``after``."""
    return await ask.services.read(partial(_checkpoints, query))


def _checkpoints(query: CheckpointQuery, records: Records) -> Listing[CheckpointOut]:
    rows = records.checkpoints(after=query.after, limit=query.per_page + 1)
    shown = rows[: query.per_page]
    more = len(rows) > query.per_page
    return Listing(
        data=[_checkpoint(row) for row in shown],
        total=records.checkpoint_total(),
        next_cursor=str(shown[-1].number) if more else None,
    )


def event_out(row: RecordedEvent) -> EventOut:
    """An event as this API shows it."""
    event = row.event
    return EventOut(
        id=row.id,
        time=moment(event.time_us),
        node=row.node,
        seq=row.seq,
        actor=event.actor,
        actor_type=event.actor_type,
        action=event.action.value,
        outcome=event.outcome,
        profile=event.profile,
        resource=Resource(type=event.resource_type, id=event.resource_id),
        source_address=event.source_address,
        request_id=event.request_id,
        auth_mode=event.auth_mode,
        client_certificate=ClientCertificate(
            subject=event.client_certificate_subject, serial=event.client_certificate_serial
        ),
        tls_version=event.tls_version,
        count=event.count,
        details=dict(event.details),
        tenant=event.tenant,
        previous_digest=row.previous_digest.hex(),
        digest=row.digest.hex(),
    )


def _checkpoint(row: Checkpoint) -> CheckpointOut:
    return CheckpointOut(
        number=row.number,
        made_at=moment(row.made_us),
        previous=row.previous.hex(),
        heads=[
            HeadOut(node=each.node, seq=each.seq, digest=each.digest.hex()) for each in row.heads
        ],
        key_id=row.key_id,
        signature=row.signature.hex(),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/audit",
        handler=list_events,
        summary="Audit events",
        role=Role.VIEWER,
        answer=Listing[EventOut],
        tag="audit",
    ),
    Endpoint(
        method="GET",
        path="/audit/checkpoints",
        handler=list_checkpoints,
        summary="Signed checkpoints",
        role=Role.VIEWER,
        whole=True,
        answer=Listing[CheckpointOut],
        tag="audit",
    ),
    Endpoint(
        method="GET",
        path="/audit/{event_id}",
        handler=show_event,
        summary="One audit event",
        role=Role.VIEWER,
        answer=EventOut,
        tag="audit",
    ),
)
