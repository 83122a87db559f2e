"""One turn of the authority: what is answered, and what is on record afterwards."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509

from certctl.authority.issue import IssuingRules
from certctl.authority.verify import Broken, verify
from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import (
    CertificateProfileUnavailable,
    CertificateRefused,
    InternalError,
    IssuerUnavailable,
    PolicyViolation,
    StoreUnavailable,
)
from certctl.domain.order import Issued, Order
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.domain.ports import SignedCertificate, Terms
from certctl.domain.profiles import Operation
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop

RSA_1024 = bytes.fromhex(
    "30819f300d06092a864886f70d010101050003818d0030818902818100" + "c7" * 128 + "0203010001"
)


def der_of(outcome: object) -> bytes:
    assert isinstance(outcome, Issued), outcome
    return outcome.der


def test_what_is_answered_is_on_record(workshop: Workshop) -> None:
    order = workshop.order("pump-7")
    der = der_of(workshop.service.run([order])[0])

    record = workshop.records().certificates()[0]
    assert record.der == der
    assert record.subject == "CN=pump-7"
    assert record.csr_sha256 == order.csr_sha256
    assert record.fingerprint == hashlib.sha256(der).digest()
    assert int(record.serial, 16) == x509.load_der_x509_certificate(der).serial_number
    [recorded] = workshop.records().events()
    assert recorded.event.action is AuditAction.SIMPLE_ENROLL_SUCCESS
    assert recorded.event.resource_id == record.id
    assert recorded.event.details["serial"] == record.serial
    assert recorded.event.source_address == "192.0.2.7"
    assert workshop.records().counts() == {("demo", Counter.SUCCESS_SIMPLEENROLL): 1}


def test_a_turn_is_one_chain_and_one_count(workshop: Workshop) -> None:
    orders = [workshop.order(f"device-{n}") for n in range(5)]
    outcomes = workshop.service.run(orders)

    assert len({der_of(outcome) for outcome in outcomes}) == 5
    events = list(workshop.records().events())
    assert [recorded.seq for recorded in events] == [1, 2, 3, 4, 5]
    verify((), events, keys={})
    assert workshop.records().counts() == {("demo", Counter.SUCCESS_SIMPLEENROLL): 5}


def test_the_chain_goes_on_after_a_restart(workshop: Workshop) -> None:
    workshop.service.run([workshop.order("a")])
    workshop.serve_again().run([workshop.order("b")])
    events = list(workshop.records().events())
    assert [recorded.seq for recorded in events] == [1, 2]
    verify((), events, keys={})


def test_a_changed_event_breaks_the_chain(workshop: Workshop) -> None:
    workshop.service.run([workshop.order("a"), workshop.order("b"), workshop.order("c")])
    events = list(workshop.records().events())
    forged = replace(events[1], event=replace(events[1].event, actor="est-client:nobody"))
    node = events[0].node
    for trail, where in (
        ([events[0], forged, events[2]], f"{node}/2: was changed"),
        ([events[0], events[2]], f"{node}/2: is missing"),
        ([events[1], events[0], events[2]], f"{node}/1: is missing"),
    ):
        with pytest.raises(Broken, match=where):
            verify((), trail, keys={})


@pytest.mark.parametrize("together", [True, False], ids=["one turn", "two turns"])
def test_the_same_request_gets_the_same_certificate(workshop: Workshop, together: bool) -> None:  # noqa: FBT001
    first = workshop.order()
    again = replace(first, request_id="another", csr_sha256=bytes(32))
    if together:
        one, two = map(der_of, workshop.service.run([first, again]))
    else:
        one = der_of(workshop.service.run([first])[0])
        two = der_of(workshop.service.run([again])[0])
    assert one == two
    assert len(workshop.records().certificates()) == 1
    events = workshop.records().events()
    assert [("repeated" in recorded.event.details) for recorded in events] == [False, True]
    assert workshop.records().counts() == {("demo", Counter.SUCCESS_SIMPLEENROLL): 2}


def test_after_a_day_the_same_request_is_a_new_one(workshop: Workshop) -> None:
    order = workshop.order()
    first = der_of(workshop.service.run([order])[0])
    workshop.now_us += DAY_US + SECOND_US
    second = der_of(workshop.service.run([replace(order, request_id="later")])[0])
    assert first != second
    assert len(workshop.records().certificates()) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spki_der": RSA_1024}, PolicyViolation),
        ({"subject_der": bytes.fromhex("3000")}, PolicyViolation),
        ({"certificate_profile": "gone"}, CertificateProfileUnavailable),
        ({"issuer_id": "gone"}, IssuerUnavailable),
        ({"credential": bytes(32), "credential_own": True}, CertificateRefused),
    ],
    ids=["weak key", "no name", "no certificate profile", "no issuer", "unknown credential"],
)
def test_the_authority_checks_again_whatever_the_worker_said(
    workshop: Workshop, change: dict[str, object], expected: type[Exception]
) -> None:
    good = workshop.order("good")
    bad = workshop.order("bad", **change)
    refused, issued = workshop.service.run([bad, good])

    assert isinstance(refused, expected)
    assert isinstance(issued, Issued)
    assert [record.subject for record in workshop.records().certificates()] == ["CN=good"]
    assert not workshop.faults


def test_a_disabled_certificate_profile_issues_nothing(workshop: Workshop) -> None:
    disabled = CertificateProfile(id=DEFAULT_PROFILE.id, enabled=False)
    service = workshop.serve_again(
        IssuingRules({"iss-local": workshop.ca}, {DEFAULT_PROFILE.id: disabled})
    )
    [outcome] = service.run([workshop.order()])
    assert isinstance(outcome, CertificateProfileUnavailable)
    assert not workshop.records().certificates()


def test_garbage_in_an_order_is_one_fault_and_its_neighbours_are_served(
    workshop: Workshop,
) -> None:
    broken = workshop.order("broken", subject_der=b"\x30\x05garbage")
    outcomes = workshop.service.run([workshop.order("a"), broken, workshop.order("b")])
    assert [type(outcome) for outcome in outcomes] == [Issued, InternalError, Issued]
    assert workshop.faults
    assert len(workshop.records().certificates()) == 2
    verify((), list(workshop.records().events()), keys={})


def test_a_credential_revoked_meanwhile_opens_nothing(workshop: Workshop) -> None:
    der = der_of(workshop.service.run([workshop.order("a")])[0])
    revoke_everything(workshop)
    renewal = workshop.order(
        "a",
        operation=Operation.SIMPLEREENROLL,
        credential=hashlib.sha256(der).digest(),
        credential_serial=f"{x509.load_der_x509_certificate(der).serial_number:x}",
        credential_own=True,
    )
    [outcome] = workshop.service.run([renewal])
    assert isinstance(outcome, CertificateRefused)
    assert outcome.reason == "revoked"
    assert len(workshop.records().certificates()) == 1


def test_refusals_are_recorded_with_their_count(workshop: Workshop) -> None:
    event = AuditEvent(
        time_us=workshop.now_us,
        actor="est-client:x",
        actor_type="est-client",
        action=AuditAction.AUTH_FAILED_BASIC,
        outcome=Outcome.FAILURE,
        profile="demo",
        count=7,
        details={"reason": "wrong_password"},
    )
    assert workshop.service.run([], [(event, Counter.AUTH_FAILED_BASIC)]) == []
    [recorded] = workshop.records().events()
    assert recorded.event == event
    assert workshop.records().counts() == {("demo", Counter.AUTH_FAILED_BASIC): 7}


def test_with_the_store_away_nothing_is_issued_and_refusals_wait(workshop: Workshop) -> None:
    workshop.service.run([workshop.order("before")])
    event = AuditEvent(
        time_us=workshop.now_us,
        actor="est-client:x",
        actor_type="est-client",
        action=AuditAction.SIMPLE_ENROLL_FAILED,
        outcome=Outcome.FAILURE,
        profile="demo",
        details={"reason": "csr_invalid"},
    )
    fill(workshop)
    # The last pages still have room for some rows; then it is full.
    for number in range(50):
        order = workshop.order(f"meanwhile-{number}")
        [outcome] = workshop.service.run([order], [(event, Counter.CSR_INVALID)])
        if isinstance(outcome, StoreUnavailable):
            break
    assert isinstance(outcome, StoreUnavailable)
    assert len(workshop.records().certificates()) == number + 1
    assert workshop.records().counts()["demo", Counter.CSR_INVALID] == number

    workshop.service.flush()  # there is room again: the store opened the file anew
    assert workshop.records().counts()["demo", Counter.CSR_INVALID] == number + 1
    assert isinstance(workshop.service.run([order])[0], Issued)
    verify((), list(workshop.records().events()), keys={})


class OneKeyTwice:
    """A CA whose serial numbers repeat, to provoke a doubled key in the store."""

    def __init__(self, workshop: Workshop) -> None:
        self._ca = workshop.ca
        self.last: SignedCertificate | None = None

    def ca_chain(self) -> tuple[bytes, ...]:
        return self._ca.ca_chain()

    def sign(self, order: Order, terms: Terms, *, now_us: int) -> SignedCertificate:
        if self.last is None:
            self.last = self._ca.sign(order, terms, now_us=now_us)
        return self.last


def test_a_doubled_serial_never_leaves(workshop: Workshop) -> None:
    service = workshop.serve_again(
        IssuingRules({"iss-local": OneKeyTwice(workshop)}, {DEFAULT_PROFILE.id: DEFAULT_PROFILE})
    )
    outcomes = service.run([workshop.order("a"), workshop.order("b")])
    assert isinstance(outcomes[0], Issued)
    assert isinstance(outcomes[1], StoreUnavailable)
    assert len(workshop.records().certificates()) == 1


def revoke_everything(workshop: Workshop) -> None:
    with workshop.store.transaction() as transaction:
        transaction._open().exec_driver_sql(
            "UPDATE certificates SET status='revoked', revoked_us=1, revocation_reason='superseded'"
        )


def fill(workshop: Workshop) -> None:
    """As on a full disk: the database may not grow by a page."""
    with workshop.store.transaction() as transaction:
        connection = transaction._open()
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_chain_that_others_continued_is_taken_up_again(workshop: Workshop) -> None:
    """As when the listener's own certificate was recorded and the store then went away."""
    service = workshop.service
    service.run([workshop.order("a")])
    workshop.serve_again().run([workshop.order("b")])
    assert [
        type(outcome) for outcome in service.run([workshop.order("c"), workshop.order("d")])
    ] == [
        Issued,
        Issued,
    ]
    events = list(workshop.records().events())
    assert [recorded.seq for recorded in events] == [1, 2, 3, 4]
    verify((), events, keys={})
