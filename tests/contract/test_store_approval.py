"""Requests for approval and the decisions on them, through the ports, in both stores."""

from __future__ import annotations

import pytest

from certctl.domain.approval import Decision, RequestStatus, WaitingRequest
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, digest
from tests.harness.replacing import replace


def waiting(number: int, **changes: object) -> WaitingRequest:
    made = WaitingRequest(
        id=f"{number:032d}",
        key=digest(f"key {number}"),
        status=RequestStatus.WAITING,
        created_us=NOW,
        expires_us=NOW + 7 * DAY,
        profile="demo",
        certificate_profile="careful",
        operation="simpleenroll",
        principal="device",
        auth_mode="basic",
        subject=f"CN=device-{number}",
        sans=("dns:a.example", 'uri:urn:"ü"'),
        source_address="192.0.2.7",
        request_id="abc",
        approvals_needed=2,
        csr_der=b"\x30\x00",
        tenant="acme",
    )
    return replace(made, **changes)


def said(number: int, actor: str, *, approved: bool = True, at: int = NOW) -> Decision:
    return Decision(
        request_id=f"{number:032d}", actor=actor, approved=approved, reason="why", decided_us=at
    )


def test_a_request_is_found_by_id_by_key_and_in_pages(pair: Pair):
    rows = [waiting(number) for number in (1, 2, 3)]
    with pair.store.transaction() as transaction:
        transaction.record_requests(rows)
        assert transaction.requests_by_key([rows[1].key, digest("absent")]) == {
            rows[1].key: rows[1]
        }
        assert transaction.request(rows[0].id) == rows[0]
        assert transaction.request("absent") is None
        transaction.settle_request(
            rows[1].id, RequestStatus.ISSUED, note="x", certificate_id="certificate"
        )
    changed = replace(rows[1], status=RequestStatus.ISSUED, note="x", certificate_id="certificate")
    assert pair.records.request(rows[1].id) == changed
    assert pair.records.requests() == [rows[0], changed, rows[2]]
    assert pair.records.requests(status=RequestStatus.WAITING, limit=1) == [rows[0]]
    assert pair.records.requests(after=rows[0].id, status=RequestStatus.WAITING) == [rows[2]]


def test_a_new_request_of_the_same_key_begins_without_old_approvals(pair: Pair):
    old, fresh = waiting(1), waiting(2, key=waiting(1).key)
    with pair.store.transaction() as transaction:
        transaction.record_requests([old])
        transaction.record_decision(said(1, "host:a"))
    with pair.store.transaction() as transaction:
        transaction.record_requests([fresh])
        assert transaction.requests_by_key([old.key]) == {old.key: fresh}
    assert pair.records.request(old.id) is None
    assert pair.records.decisions(old.id) == []
    assert pair.records.decisions(fresh.id) == []


def test_one_operator_is_one_decision(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_requests([waiting(1)])
        transaction.record_decision(said(1, "host:b", at=NOW + 1))
        transaction.record_decision(said(1, "host:a", at=NOW))
        assert [each.actor for each in transaction.decisions(waiting(1).id)] == ["host:a", "host:b"]
        transaction.record_decision(said(1, "host:a", approved=False, at=NOW + 2))
    found = pair.records.decisions(waiting(1).id)
    assert found == [said(1, "host:b", at=NOW + 1), said(1, "host:a", approved=False, at=NOW + 2)]


def test_only_what_waits_and_has_not_expired_is_counted(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_requests(
            [waiting(1), waiting(2, status=RequestStatus.DENIED), waiting(3, expires_us=NOW)]
        )
        assert transaction.waiting_number(NOW) == 1
        assert transaction.waiting_number(NOW - 1) == 2


def test_the_oldest_expired_are_forgotten_first(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_requests([waiting(n, expires_us=NOW - n) for n in (1, 2, 3)])
        transaction.record_requests([waiting(4, expires_us=NOW + 1)])
        transaction.record_decision(said(3, "host:a"))
        transaction.forget_requests(NOW, 1)
        assert transaction.request(waiting(3).id) is None
        assert transaction.decisions(waiting(3).id) == []
        transaction.forget_requests(NOW, 9)
    assert [each.id for each in pair.records.requests()] == [waiting(4).id]


def test_a_decision_on_nothing_is_refused(pair: Pair):
    def decide() -> None:
        with pair.store.transaction() as transaction:
            transaction.record_decision(said(1, "host:a"))

    with pytest.raises(Exception, match=r"decisions|FOREIGN|refused"):
        decide()
