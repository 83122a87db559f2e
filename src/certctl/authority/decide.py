"""An operator's word on a waiting request, inside a transaction (policy §5).

Nobody approves twice: what needs two approvals needs two names. A denial by one is
final for as long as the request is kept, also of one that is approved but not fetched.
"""

from __future__ import annotations

from certctl.authority.commands import ApproveRequest, DenyRequest, RequestDecided
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.approval import Decided, Decision, RequestStatus, WaitingRequest
from certctl.domain.audit import AuditAction
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.ports import Transaction


def approve(command: ApproveRequest, transaction: Transaction, now_us: int) -> Done:
    """Count one approval; with the last one needed the next poll gets its certificate.

    Raises:
        NotFound: no such request.
        Conflict: it expired, is decided already, or this operator has approved it.
    """
    request = _open(command.request_id, transaction, now_us)
    if request.status is not RequestStatus.WAITING:
        raise Conflict(f"request {request.id} is {request.status} already")
    before = {each.actor for each in transaction.decisions(request.id) if each.approved}
    if command.actor in before:
        raise Conflict(
            f"{command.actor} has approved request {request.id} already;"
            f" it needs {request.approvals_needed} different people"
        )
    transaction.record_decision(_decision(command, now_us))
    approvals = len(before) + 1
    enough = approvals >= request.approvals_needed
    status = RequestStatus.APPROVED if enough else RequestStatus.WAITING
    if enough:
        transaction.settle_request(request.id, status)
    return _done(request, command, status, approvals, now_us)


def deny(command: DenyRequest, transaction: Transaction, now_us: int) -> Done:
    """Refuse a request, with a reason that its device is told.

    Raises:
        NotFound: no such request.
        Conflict: it expired, is denied already, or has had its certificate.
    """
    request = _open(command.request_id, transaction, now_us)
    if request.status not in (RequestStatus.WAITING, RequestStatus.APPROVED):
        raise Conflict(f"request {request.id} is {request.status} already")
    transaction.record_decision(_decision(command, now_us))
    transaction.settle_request(request.id, RequestStatus.DENIED, note=command.reason)
    approvals = sum(each.approved for each in transaction.decisions(request.id))
    return _done(request, command, RequestStatus.DENIED, approvals, now_us)


def _open(request_id: str, transaction: Transaction, now_us: int) -> WaitingRequest:
    request = transaction.request(request_id)
    if request is None:
        raise NotFound(f"request {request_id}")
    if request.expires_us <= now_us:
        raise Conflict(f"request {request.id} has expired")
    return request


def _decision(command: ApproveRequest | DenyRequest, now_us: int) -> Decision:
    return Decision(
        request_id=command.request_id,
        actor=command.actor,
        approved=isinstance(command, ApproveRequest),
        reason=command.reason,
        decided_us=now_us,
    )


def _done(
    request: WaitingRequest,
    command: ApproveRequest | DenyRequest,
    status: RequestStatus,
    approvals: int,
    now_us: int,
) -> Done:
    denied = status is RequestStatus.DENIED
    event = event_by(
        command.actor,
        AuditAction.REQUEST_DENIED if denied else AuditAction.REQUEST_APPROVED,
        now_us=now_us,
        profile=request.profile,
        resource_type="request",
        resource_id=request.id,
        details={
            "reason": command.reason,
            "subject": request.subject,
            "status": status.value,
            "approvals": approvals,
            "approvals_needed": request.approvals_needed,
        },
        tenant=request.tenant,
    )
    decided = Decided(
        request_id=request.id,
        subject=request.subject,
        status=status,
        approvals=approvals,
        approvals_needed=request.approvals_needed,
    )
    return Done(result=RequestDecided(decided), events=(event,))
