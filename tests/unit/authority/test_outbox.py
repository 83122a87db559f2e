"""What other systems are told: written with what happened, once, to those who want it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from certctl.authority.commands import (
    AnnounceCertificates,
    Announced,
    AnnounceExpiry,
    LeaseAnswer,
    Requeued,
    RequeueDeliveries,
    RevokeCertificate,
    SettleDeliveries,
    TakeLease,
)
from certctl.authority.deliveries import MOST_REQUEUED
from certctl.authority.issue import IssuingRules
from certctl.authority.outbox import Outbox
from certctl.domain.audit import AuditAction, AuditEvent, Outcome
from certctl.domain.errors import LeaseLost
from certctl.domain.events import (
    Delivery,
    DeliveryStatus,
    Event,
    EventType,
    NoticeMark,
    given_up,
)
from certctl.domain.lockout import LockoutRule
from certctl.domain.policy import CertificateProfile
from certctl.domain.revocation import RevocationReason
from certctl.settings.channels import TYPES
from certctl.store import SqlRecords
from certctl.wire.cloudevents import rfc3339
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop
from tests.unit.authority.test_lockout import LIMIT, wrong
from tests.unit.authority.test_renew import enrolled, renewal

SOURCE = "https://est.example"


def listening(workshop: Workshop, *types: EventType, rules: IssuingRules | None = None) -> None:
    """From now on ``ops`` wants these types (or all), and ``siem`` revocations."""
    wanted = {each: ["ops"] for each in types or TYPES}
    wanted.setdefault(EventType.CERT_REVOKED, []).append("siem")
    workshop.outbox = Outbox(wanted, source=SOURCE, lockout_failures=LockoutRule().failures)
    workshop.serve_again(rules)


@pytest.fixture
def records(workshop: Workshop) -> Iterator[SqlRecords]:
    opened = workshop.records()
    yield opened
    opened.close()


def deliveries(records: SqlRecords, channel: str = "ops") -> list[Delivery]:
    """Those of one channel in the order of their making."""
    found = [each for each in records.deliveries() if each.channel == channel]
    return sorted(found, key=lambda each: each.made_us)


def told(records: SqlRecords, channel: str = "ops") -> list[tuple[str, dict[str, Any]]]:
    bodies = [json.loads(each.body) for each in deliveries(records, channel)]
    return [(body["type"], body["data"]) for body in bodies]


def test_an_issued_certificate_is_told_as_a_cloudevent(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    order, _ = enrolled(workshop, "pump")
    [certificate] = records.certificates()
    [row] = deliveries(records)
    [audited] = records.events()
    assert row.subject == f"certificate/{certificate.id}"
    assert (row.status, row.attempts, row.at_us) == (DeliveryStatus.WAITING, 0, workshop.now_us)
    assert json.loads(row.body) == {
        "specversion": "1.0",
        "id": audited.id,
        "source": SOURCE,
        "type": "cert.issued",
        "subject": row.subject,
        "time": "2026-09-21T14:13:20.000000Z",
        "datacontenttype": "application/json",
        "data": {
            "profile": "demo",
            "actor": "est-client:pump",
            "certificate_id": certificate.id,
            "serial": certificate.serial,
            "subject": "CN=pump",
            "sans": [],
            "issuer_id": "iss-local",
            "certificate_profile": "default",
            "source_address": "192.0.2.7",
            "request_id": order.request_id,
            "not_before": rfc3339(certificate.not_before_us),
            "not_after": rfc3339(certificate.not_after_us),
        },
    }


def test_the_same_answer_again_is_no_news(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    order, _ = enrolled(workshop)
    workshop.service.run([order])
    assert len(deliveries(records)) == 1


def test_a_renewal_comes_before_the_end_of_what_it_supersedes(
    workshop: Workshop, records: SqlRecords
):
    listening(workshop)
    _, old = enrolled(workshop)
    [before] = records.certificates()
    workshop.service.run([renewal(workshop, old, supersedes=True)])
    kinds = [(kind, data["certificate_id"] == before.id) for kind, data in told(records)]
    assert sorted(kinds) == [("cert.issued", True), ("cert.renewed", False), ("cert.revoked", True)]
    ours = [each for each in deliveries(records) if each.subject == f"certificate/{before.id}"]
    assert [each.type for each in ours] == [EventType.CERT_ISSUED, EventType.CERT_REVOKED]
    assert ours[0].made_us < ours[1].made_us, "in one microsecond, yet in order"


def test_a_revocation_is_told_once_to_all_who_want_it(workshop: Workshop, records: SqlRecords):
    listening(workshop, EventType.CERT_REVOKED)
    enrolled(workshop)
    [certificate] = records.certificates()
    command = RevokeCertificate(
        certificate_id=certificate.id, reason=RevocationReason.KEY_COMPROMISE, actor="host:x"
    )
    workshop.service.execute(command)
    workshop.service.execute(command)
    for channel in ("ops", "siem"):
        [(kind, data)] = told(records, channel)
        assert (kind, data["reason"], data["actor"]) == ("cert.revoked", "keyCompromise", "host:x")


def test_a_lock_out_is_told_when_it_begins_and_not_for_each_attempt(
    workshop: Workshop, records: SqlRecords
):
    listening(workshop)
    workshop.service.judge([wrong() for _ in range(LIMIT + 5)])
    workshop.service.record(
        replace(
            wrong().wrong.event,  # type: ignore[union-attr]
            details={"reason": "locked_out", "failures": LIMIT},
        )
    )
    [(kind, data)] = told(records)
    assert (kind, data["failures"]) == ("est.auth_locked_out", LIMIT)
    assert data["source_address"] == "192.0.2.7"


@pytest.mark.parametrize(("reason", "events"), [("mismatch", 1), ("missing", 0), ("malformed", 0)])
def test_a_binding_to_something_else_is_told(
    workshop: Workshop, records: SqlRecords, reason: str, events: int
):
    listening(workshop)
    workshop.service.record(
        AuditEvent(
            time_us=workshop.now_us,
            actor="est-client:pump",
            actor_type="est-client",
            action=AuditAction.AUTH_FAILED_CHANNEL_BINDING,
            outcome=Outcome.FAILURE,
            profile="demo",
            source_address="192.0.2.9",
            count=7,
            details={"reason": reason},
        )
    )
    found = [(kind, data["count"]) for kind, data in told(records)]
    assert found == [("est.channel_binding_mismatch", 7)] * events


def test_a_request_that_begins_to_wait_is_told_once(workshop: Workshop, records: SqlRecords):
    profile = CertificateProfile(id="default", requires_approval=True)
    listening(workshop, rules=IssuingRules({"iss-local": workshop.ca}, {"default": profile}))
    order = workshop.order()
    workshop.service.run([order])
    workshop.service.run([order])
    [(kind, data)] = told(records)
    assert (kind, data["approvals_needed"]) == ("est.request_pending", 1)
    [request] = records.requests()
    assert (data["pending_request_id"], data["request_id"]) == (request.id, order.request_id)
    assert deliveries(records)[0].subject == f"request/{request.id}"


def test_what_nobody_wants_is_not_written(workshop: Workshop, records: SqlRecords):
    enrolled(workshop, "before")
    listening(workshop, EventType.REQUEST_PENDING)
    enrolled(workshop, "after")
    assert records.deliveries() == []


def test_the_order_outlives_a_clock_that_is_set_back(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    enrolled(workshop)
    [certificate] = records.certificates()
    workshop.now_us -= 3_600_000_000
    workshop.service.execute(
        RevokeCertificate(
            certificate_id=certificate.id, reason=RevocationReason.SUPERSEDED, actor="host:x"
        )
    )
    assert [kind for kind, _ in told(records)] == ["cert.issued", "cert.revoked"]


def lease(workshop: Workshop, job: str) -> int:
    wanted = TakeLease(job=job, holder="here/1", every_us=1, lease_us=1_000_000)
    answer = workshop.service.execute(wanted)
    assert isinstance(answer, LeaseAnswer)
    assert answer.fence is not None
    return answer.fence


def test_notices_and_their_mark_are_one(workshop: Workshop, records: SqlRecords):
    enrolled(workshop, "one")
    enrolled(workshop, "two")
    listening(workshop)
    ids = tuple(each.id for each in records.certificates())
    workshop.service.execute(
        RevokeCertificate(certificate_id=ids[1], reason=RevocationReason.SUPERSEDED, actor="host:x")
    )
    mark = NoticeMark(name="cert/30", at_us=workshop.now_us, id=ids[1])
    command = AnnounceCertificates(
        fence=lease(workshop, "expiry"), days=30, certificate_ids=(*ids, "gone"), mark=mark
    )
    assert workshop.service.execute(command) == Announced(1), "not what was revoked meanwhile"
    kind, data = told(records)[-1]
    assert (kind, data["certificate_id"], data["days"]) == ("cert.expiring_soon", ids[0], 30)
    assert records.notice_marks() == {"cert/30": mark}
    late = replace(mark, at_us=mark.at_us + 1)
    refused = workshop.service.execute(
        AnnounceCertificates(fence=7, days=30, certificate_ids=ids, mark=late)
    )
    assert isinstance(refused, LeaseLost)
    assert records.notice_marks() == {"cert/30": mark}


def test_a_notice_of_one_thing_is_given_once(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    event = Event(
        id="a", type=EventType.CA_EXPIRING_SOON, time_us=workshop.now_us, subject="ca/x", data={}
    )
    fence = lease(workshop, "expiry")
    mark = NoticeMark(name="ca/x/30", at_us=1)
    outcomes = [
        workshop.service.execute(
            AnnounceExpiry(fence=fence, event=replace(event, id=each), mark=mark)
        )
        for each in "ab"
    ]
    assert outcomes == [Announced(1), Announced(0)]
    assert [kind for kind, _ in told(records)] == ["ca.expiring_soon"]


def test_who_lost_the_lease_settles_nothing(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    enrolled(workshop)
    [row] = deliveries(records)
    fence = lease(workshop, "outbox")
    dead = (given_up(row, "nobody", workshop.now_us),)
    refused = workshop.service.execute(SettleDeliveries(fence=fence - 1, deliveries=dead))
    assert isinstance(refused, LeaseLost)
    assert deliveries(records) == [row]
    workshop.service.execute(SettleDeliveries(fence=fence, deliveries=dead))
    assert deliveries(records)[0].status is DeliveryStatus.DEAD


def test_sending_again_is_on_record_with_who_asked(workshop: Workshop, records: SqlRecords):
    listening(workshop)
    enrolled(workshop)
    [row] = deliveries(records)
    command = RequeueDeliveries(event_id=None, channel="ops", actor="host:x")
    assert workshop.service.execute(command) == Requeued(rows=0, more=False)
    assert len(records.events()) == 1, "nothing was done"
    copies = [
        replace(row, event_id=f"{n:032x}", subject=f"s/{n}", status=DeliveryStatus.DEAD)
        for n in range(MOST_REQUEUED + 1)
    ]
    with workshop.store.transaction() as transaction:
        transaction.add_deliveries(copies)
    assert workshop.service.execute(command) == Requeued(rows=MOST_REQUEUED, more=True)
    assert workshop.service.execute(command) == Requeued(rows=1, more=False)
    event = records.events()[-1].event
    assert (event.action, event.actor) == (AuditAction.EVENTS_REQUEUED, "host:x")
    assert event.details == {"channel": "ops", "deliveries": 1}
