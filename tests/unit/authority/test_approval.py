"""Requests that wait: asked again, approved by enough people, denied, expired, used once."""

from __future__ import annotations

import pytest

from certctl.authority.commands import ApproveRequest, DenyRequest, RequestDecided
from certctl.authority.issue import IssuingRules
from certctl.domain.approval import WAITING_US, RequestStatus
from certctl.domain.audit import AuditAction
from certctl.domain.clock import DAY_US
from certctl.domain.errors import (
    Conflict,
    Denied,
    NotFound,
    Pending,
    PolicyViolation,
    WaitingRoomFull,
)
from certctl.domain.order import Issued, Order
from certctl.domain.policy import CertificateProfile
from certctl.domain.revocation import RevocationReason
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop


def careful(workshop: Workshop, approvals: int = 1, **changes: object) -> None:
    """From now on requests wait for so many operators."""
    profile = replace(
        CertificateProfile(id="default", requires_approval=True, approvals_needed=approvals),
        **changes,
    )
    workshop.serve_again(IssuingRules({"iss-local": workshop.ca}, {"default": profile}))


def poll(workshop: Workshop, order: Order) -> object:
    return workshop.service.run([replace(order, request_id="poll")])[0]


def wait(workshop: Workshop, order: Order) -> str:
    outcome = poll(workshop, order)
    assert isinstance(outcome, Pending)
    return outcome.request


def approve(workshop: Workshop, request: str, actor: str) -> RequestStatus:
    done = workshop.service.execute(ApproveRequest(request_id=request, reason="known", actor=actor))
    assert isinstance(done, RequestDecided), done
    return done.decided.status


def actions(workshop: Workshop) -> list[AuditAction]:
    return [each.event.action for each in workshop.records().events()]


def test_it_begins_to_wait_once_and_polls_leave_nothing(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    together = workshop.service.run([order, replace(order, request_id="twice")])
    assert [type(each) for each in together] == [Pending, Pending]
    first = wait(workshop, order)
    assert wait(workshop, order) == first
    assert actions(workshop) == [AuditAction.REQUEST_PENDING]
    assert workshop.records().counts() == {}
    assert not workshop.records().certificates()
    [row] = workshop.records().requests()
    assert (row.id, row.subject, row.csr_der) == (first, "CN=pump", order.csr_der)


def test_approved_the_next_poll_gets_it_and_repeats_the_same(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    request = wait(workshop, order)
    assert approve(workshop, request, "host:a") is RequestStatus.APPROVED
    one, two = poll(workshop, order), poll(workshop, order)
    assert isinstance(one, Issued)
    assert isinstance(two, Issued)
    assert (two.der, two.repeated) == (one.der, True)
    row = workshop.records().request(request)
    assert row is not None
    assert row.status is RequestStatus.ISSUED
    [record] = workshop.records().certificates()
    assert row.certificate_id == record.id


def test_two_approvals_are_two_people(workshop: Workshop) -> None:
    careful(workshop, approvals=2)
    order = workshop.order("pump")
    request = wait(workshop, order)
    assert approve(workshop, request, "host:a") is RequestStatus.WAITING
    again = workshop.service.execute(ApproveRequest(request_id=request, reason="", actor="host:a"))
    assert isinstance(again, Conflict)
    wait(workshop, order)
    assert approve(workshop, request, "host:b") is RequestStatus.APPROVED
    assert isinstance(poll(workshop, order), Issued)
    assert actions(workshop).count(AuditAction.REQUEST_APPROVED) == 2


def test_denied_it_stays_denied_with_the_reason(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    request = wait(workshop, order)
    # An approval that was a mistake can still be taken back.
    approve(workshop, request, "host:a")
    done = workshop.service.execute(
        DenyRequest(request_id=request, reason="not ours", actor="host:b")
    )
    assert isinstance(done, RequestDecided)
    for _ in range(2):
        refused = poll(workshop, order)
        assert isinstance(refused, Denied)
        assert refused.note == "not ours"
    late = workshop.service.execute(ApproveRequest(request_id=request, reason="", actor="host:c"))
    assert isinstance(late, Conflict)
    assert not workshop.records().certificates()
    event = list(workshop.records().events())[-1].event
    assert (event.action, event.actor, event.details["reason"]) == (
        AuditAction.REQUEST_DENIED,
        "host:b",
        "not ours",
    )


def test_after_a_week_it_is_a_new_request(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    request = wait(workshop, order)
    approve(workshop, request, "host:a")
    workshop.now_us += WAITING_US
    late = workshop.service.execute(DenyRequest(request_id=request, reason="x", actor="host:b"))
    assert isinstance(late, Conflict)
    assert wait(workshop, order) != request
    assert workshop.records().request(request) is None


def test_one_approval_is_one_certificate(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    approve(workshop, wait(workshop, order), "host:a")
    assert isinstance(poll(workshop, order), Issued)
    [record] = workshop.records().certificates()
    with workshop.store.transaction() as transaction:
        transaction.revoke_certificates(
            [record.id], workshop.now_us, RevocationReason.KEY_COMPROMISE
        )
    wait(workshop, order)
    assert actions(workshop).count(AuditAction.REQUEST_PENDING) == 2


def test_policy_is_checked_again_when_it_is_issued(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    approve(workshop, wait(workshop, order), "host:a")
    careful(workshop, allowed_key_algorithms=())
    assert isinstance(poll(workshop, order), PolicyViolation)
    assert not workshop.records().certificates()


def test_what_policy_refuses_never_waits(workshop: Workshop) -> None:
    careful(workshop)
    refused = poll(workshop, workshop.order("pump", subject_der=bytes.fromhex("3000")))
    assert isinstance(refused, PolicyViolation)
    assert not workshop.records().requests()


def test_waiting_requests_are_bounded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certctl.authority.approval.MAX_WAITING", 3)
    careful(workshop)
    outcomes = workshop.service.run([workshop.order(f"device-{n}") for n in range(3)])
    assert {type(each) for each in outcomes} == {Pending}
    full = poll(workshop, workshop.order("one too many"))
    assert isinstance(full, WaitingRoomFull)
    assert full.retry_after > 0
    workshop.now_us += WAITING_US
    wait(workshop, workshop.order("after a week"))
    assert len(workshop.records().requests()) == 1


def test_an_unknown_request_is_not_found(workshop: Workshop) -> None:
    done = workshop.service.execute(ApproveRequest(request_id="x", reason="", actor="host:a"))
    assert isinstance(done, NotFound)


def test_an_approval_is_not_used_by_another_request(workshop: Workshop) -> None:
    careful(workshop)
    order = workshop.order("pump")
    approve(workshop, wait(workshop, order), "host:a")
    wait(workshop, workshop.order("pump"))
    workshop.now_us += DAY_US
    assert isinstance(poll(workshop, order), Issued)
