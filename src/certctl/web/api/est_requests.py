"""Requests that wait for an operator: ``/est/requests``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, StringConstraints

from certctl.authority.commands import ApproveRequest, DenyRequest, RequestDecided
from certctl.domain.api_keys import Role, Visible
from certctl.domain.approval import MAX_REASON, Decision, RequestStatus, WaitingRequest
from certctl.domain.errors import NotFound
from certctl.domain.ports import Records
from certctl.web.api.endpoint import Endpoint
from certctl.web.api.models import Listing, Moment, PageQuery, RecordId, Strict, moment
from certctl.web.api.services import Ask


class DecisionOut(BaseModel):
    actor: str
    approved: bool
    reason: str
    decided_at: Moment


class RequestOut(BaseModel):
    """A request; ``certificate_id`` once it has had its certificate."""

    id: str
    status: RequestStatus
    created_at: Moment
    expires_at: Moment
    profile: str
    certificate_profile: str
    operation: str
    principal: str
    auth_mode: str
    subject: str
    sans: list[str]
    source_address: str
    request_id: str
    approvals_needed: int
    note: str
    certificate_id: str | None
    tenant: str | None


class RequestWithDecisions(RequestOut):
    decisions: list[DecisionOut]


class RequestQuery(PageQuery):
    status: RequestStatus | None = None


Reason = Annotated[str, StringConstraints(max_length=MAX_REASON, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Approve(Strict):
    """Why, for the record."""

    reason: Reason = ""


class Deny(Strict):
    """Why; the device is told."""

    reason: Annotated[Reason, StringConstraints(min_length=1)]


class DecidedOut(BaseModel):
    id: str
    subject: str
    status: RequestStatus
    approvals: int
    approvals_needed: int


async def list_requests(query: Annotated[RequestQuery, Query()], ask: Ask) -> Listing[RequestOut]:
    """Requests in order of age, those of every status unless one is asked for."""
    visible = ask.caller.visible

    def question(records: Records) -> Listing[RequestOut]:
        rows = records.request_page(query.status, visible, query.wanted())
        total = records.request_total(query.status, visible)
        return query.listing(rows, total, show=request_out, cursor=lambda row: row.id)

    return await ask.services.read(question)


async def show_request(request_id: RecordId, ask: Ask) -> RequestWithDecisions:
    """One request and what was said about it."""
    request, decisions = await ask.services.read(partial(_found, request_id, ask.caller.visible))
    return with_decisions(request, decisions)


async def approve(request_id: RecordId, body: Approve, ask: Ask) -> DecidedOut:
    """Approve; where two approvals are needed, they take keys of two names."""
    await ask.services.read(partial(_found, request_id, ask.caller.visible))
    command = ApproveRequest(request_id=request_id, reason=body.reason, actor=ask.caller.actor)
    return decided_out(await ask.do(command, RequestDecided))


async def deny(request_id: RecordId, body: Deny, ask: Ask) -> DecidedOut:
    """Deny, for as long as the request is kept; the device is told the reason."""
    await ask.services.read(partial(_found, request_id, ask.caller.visible))
    command = DenyRequest(request_id=request_id, reason=body.reason, actor=ask.caller.actor)
    return decided_out(await ask.do(command, RequestDecided))


def _found(
    request_id: str, visible: Visible, records: Records
) -> tuple[WaitingRequest, list[Decision]]:
    request = records.request(request_id)
    if request is None or not visible.covers(tenant=request.tenant, profile=request.profile):
        raise NotFound(f"request {request_id}")
    return request, list(records.decisions(request_id))


def decided_out(done: RequestDecided) -> DecidedOut:
    decided = done.decided
    return DecidedOut(
        id=decided.request_id,
        subject=decided.subject,
        status=decided.status,
        approvals=decided.approvals,
        approvals_needed=decided.approvals_needed,
    )


def with_decisions(request: WaitingRequest, decisions: Sequence[Decision]) -> RequestWithDecisions:
    """A request as ``/est/requests/{id}`` shows it."""
    return RequestWithDecisions(
        **dict(request_out(request)),
        decisions=[
            DecisionOut(
                actor=each.actor,
                approved=each.approved,
                reason=each.reason,
                decided_at=moment(each.decided_us),
            )
            for each in decisions
        ],
    )


def request_out(row: WaitingRequest) -> RequestOut:
    return RequestOut(
        id=row.id,
        status=row.status,
        created_at=moment(row.created_us),
        expires_at=moment(row.expires_us),
        profile=row.profile,
        certificate_profile=row.certificate_profile,
        operation=row.operation,
        principal=row.principal,
        auth_mode=row.auth_mode,
        subject=row.subject,
        sans=list(row.sans),
        source_address=row.source_address,
        request_id=row.request_id,
        approvals_needed=row.approvals_needed,
        note=row.note,
        certificate_id=row.certificate_id,
        tenant=row.tenant,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/est/requests",
        handler=list_requests,
        summary="Requests for approval",
        role=Role.OPERATOR,
        answer=Listing[RequestOut],
        tag="EST",
    ),
    Endpoint(
        method="GET",
        path="/est/requests/{request_id}",
        handler=show_request,
        summary="One request and its decisions",
        role=Role.OPERATOR,
        answer=RequestWithDecisions,
        tag="EST",
    ),
    Endpoint(
        method="POST",
        path="/est/requests/{request_id}/approve",
        handler=approve,
        summary="Approve a request",
        role=Role.OPERATOR,
        answer=DecidedOut,
        example={"reason": "ticket 4711"},
        tag="EST",
    ),
    Endpoint(
        method="POST",
        path="/est/requests/{request_id}/deny",
        handler=deny,
        summary="Deny a request",
        role=Role.OPERATOR,
        answer=DecidedOut,
        example={"reason": "the device is not ours"},
        tag="EST",
    ),
)
