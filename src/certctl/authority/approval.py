"""Gate 13 of est §2 (policy §5): a request waits until operators have decided on it.

The row is found by the repetition key, so the same request again polls it, and a
changed certificate profile makes it another request. One approval is one certificate.
"""

from __future__ import annotations

from certctl.authority.events import event_of_order
from certctl.authority.facts import Facts
from certctl.authority.issue import Checked
from certctl.domain.approval import (
    MAX_WAITING,
    POLL_SECONDS,
    WAITING_US,
    RequestStatus,
    WaitingRequest,
)
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.errors import Denied, Pending, WaitingRoomFull
from certctl.domain.ids import NewId

_FULL_SECONDS = 3_600


def approved_request(checked: Checked, facts: Facts) -> WaitingRequest | None:
    """The request on record that operators have approved; None where none has begun.

    Raises:
        Pending: it waits.
        Denied: an operator has said no.
    """
    found = facts.requests.get(checked.order.repetition_key)
    if found is None or found.expires_us <= facts.now_us:
        return None
    match found.status:
        case RequestStatus.WAITING:
            raise Pending(request=found.id, retry_after=POLL_SECONDS)
        case RequestStatus.DENIED:
            raise Denied(note=found.note)
        case RequestStatus.APPROVED:
            return found
        case RequestStatus.ISSUED:
            return None


def require_waiting_room(facts: Facts) -> None:
    """One more may wait: nobody fills the disk with requests.

    Raises:
        WaitingRoomFull: too many wait already.
    """
    if facts.waiting >= MAX_WAITING:
        raise WaitingRoomFull("room for more waiting requests", retry_after=_FULL_SECONDS)


def begin(checked: Checked, facts: Facts, new_id: NewId) -> tuple[WaitingRequest, AuditEvent]:
    """A request that begins to wait, and the event of it.

    Raises:
        WaitingRoomFull: too many wait already.
    """
    require_waiting_room(facts)
    order = checked.order
    request = WaitingRequest(
        id=new_id(),
        key=order.repetition_key,
        status=RequestStatus.WAITING,
        created_us=facts.now_us,
        expires_us=facts.now_us + WAITING_US,
        profile=order.profile,
        certificate_profile=order.certificate_profile,
        operation=order.operation.value,
        principal=order.principal,
        auth_mode=order.auth_mode.value,
        subject=checked.subject,
        sans=checked.sans,
        source_address=order.source_address,
        request_id=order.request_id,
        approvals_needed=checked.profile.approvals_needed,
        csr_der=order.csr_der,
        tenant=order.tenant,
    )
    facts.requests[request.key] = request
    facts.waiting += 1
    return request, _pending_event(checked, request)


def _pending_event(checked: Checked, request: WaitingRequest) -> AuditEvent:
    return event_of_order(
        checked.order,
        AuditAction.REQUEST_PENDING,
        now_us=request.created_us,
        resource_type="request",
        resource_id=request.id,
        details={
            "reason": Pending.reason,
            "subject": request.subject,
            "sans": list(request.sans),
            "certificate_profile": request.certificate_profile,
            "approvals_needed": request.approvals_needed,
        },
    )
