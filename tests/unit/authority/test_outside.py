"""Orders for a CA outside inside the authority: what is counted, kept, refused, settled."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from certctl.authority import calls as limits
from certctl.authority.calls import OutsideCalls
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    ApproveRequest,
    LeaseAnswer,
    Reconciled,
    ReconcileIntents,
    RevokeCertificate,
    TakeLease,
)
from certctl.authority.intents import Started
from certctl.authority.issue import IssuingRules
from certctl.authority.reconcile import JOB
from certctl.authority.service import AuthorityService
from certctl.authority.settle import ASK_AGAIN_US
from certctl.domain.approval import RequestStatus
from certctl.domain.audit import AuditAction, Counter
from certctl.domain.certificates import CertificateRecord, CertificateStatus
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import (
    CertificateRefused,
    Failure,
    InProgress,
    InternalError,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerUnavailable,
    Pending,
    PolicyViolation,
    RateLimited,
    StoreUnavailable,
)
from certctl.domain.ids import sortable_id
from certctl.domain.intent import REFUSAL_HOLDS_US, SLACK_US, Intent, IntentStatus
from certctl.domain.order import Issued, Order
from certctl.domain.policy import DEFAULT_PROFILE
from certctl.domain.ports import Terms
from certctl.domain.profiles import Operation
from certctl.domain.revocation import RevocationReason
from tests.harness.pki import ForeignCA
from tests.harness.replacing import replace
from tests.unit.authority.conftest import NOW_US, Workshop

LIMIT_US = 10 * SECOND_US
WAIT_SECONDS = 20.0
CA = ForeignCA("corp")
A_DAY = Terms(ekus=DEFAULT_PROFILE.allowed_ekus, backdate_us=0, lifetime_us=DAY_US)
CHAIN = (CA.certificate.public_bytes(Encoding.DER),)


class OwnCA:
    """A CA in this process behind the port of one outside; it can fail and be held up."""

    time_limit_us = LIMIT_US
    lifetime_us = 30 * DAY_US

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.revoked: list[int] = []
        self.fault: Exception | None = None
        self.answer: bytes | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.revoking: Failure | None = None
        self.found: bytes | Failure | None = None

    def ca_chain(self) -> tuple[bytes, ...]:
        return CHAIN

    def issue(self, order: Order, terms: Terms, *, request_id: str, now_us: int) -> bytes:
        self.calls.append(request_id)
        assert self.gate.wait(WAIT_SECONDS)
        if self.fault is not None:
            raise self.fault
        return self.answer or signed(order, terms, now_us)

    def find(self, request_id: str) -> bytes | None:
        assert request_id
        if isinstance(self.found, Failure):
            raise self.found
        return self.found

    def revoke(self, der: bytes, *, reason: RevocationReason, request_id: str) -> None:
        assert (reason.value, len(request_id)) == ("cessationOfOperation", 32)
        if self.revoking is not None:
            raise self.revoking
        self.revoked.append(x509.load_der_x509_certificate(der).serial_number)


def signed(order: Order, terms: Terms, now_us: int) -> bytes:
    """What was ordered; the certificate's names and key are the order's own octets."""
    now = dt.datetime.fromtimestamp(now_us // SECOND_US, dt.UTC)
    csr = x509.load_der_x509_csr(order.csr_der)
    usages = [x509.ObjectIdentifier(each) for each in terms.ekus]
    return (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(CA.certificate.subject)
        .public_key(load_der_public_key(order.spki_der))  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(microseconds=terms.lifetime_us))
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(CA.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


class Outside(Workshop):
    """A workshop whose issuer ``corp`` is outside."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.corp = OwnCA()
        self.profile = DEFAULT_PROFILE
        self.profiles = {DEFAULT_PROFILE.id: DEFAULT_PROFILE}
        self.calls = OutsideCalls(
            {"corp": self.corp},
            owner="node-a/1",
            clock=lambda: self.now_us,
            on_fault=self.faults.append,
        )
        self.service = AuthorityService(
            self.store,
            IssuingRules({"iss-local": self.ca, "corp": self.corp}, self.profiles),
            node=self.store.node,
            clock=lambda: self.now_us,
            new_id=lambda: sortable_id(self.now_us, secrets.token_bytes),
            on_fault=self.faults.append,
            powers=Powers(calls=self.calls),
        )

    def begin(self, order: Order) -> str:
        [outcome] = self.service.run([order])
        assert isinstance(outcome, Started), outcome
        return outcome.intent_id

    def settle(self) -> list[tuple[str, Issued | Failure | Started]]:
        self.calls.wait(WAIT_SECONDS)
        return self.service.finish()

    def ask(self, order: Order) -> Issued | Failure | Started:
        """What the order gets in the end."""
        intent_id = self.begin(order)
        [(settled, outcome)] = self.settle()
        assert settled == intent_id
        return outcome

    def intent(self, intent_id: str) -> Intent:
        found = self.records().intent(intent_id)
        assert found is not None
        return found

    def certificates(self) -> list[CertificateRecord]:
        return list(self.records().certificates())

    def reconcile(self) -> Reconciled:
        self.now_us += SECOND_US
        leased = self.service.execute(TakeLease(job=JOB, holder="x", every_us=0, lease_us=1))
        assert isinstance(leased, LeaseAnswer)
        assert leased.fence is not None
        done = self.service.execute(ReconcileIntents(fence=leased.fence))
        assert isinstance(done, Reconciled)
        return done


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    made = Outside(tmp_path)
    yield made
    made.corp.gate.set()
    made.calls.wait(WAIT_SECONDS)
    made.store.close()


def corp_order(outside: Outside, name: str = "pump", **changes: object) -> Order:
    return outside.order(name, **({"issuer_id": "corp"} | changes))


def test_what_the_ca_issued_is_on_record_before_it_is_answered(outside: Outside) -> None:
    order = corp_order(outside)
    intent_id = outside.begin(order)
    assert outside.certificates() == []
    assert outside.intent(intent_id).status is IntentStatus.OPEN
    [(_, outcome)] = outside.settle()
    assert isinstance(outcome, Issued)
    [record] = outside.certificates()
    assert (record.der, record.issuer_id) == (outcome.der, "corp")
    closed = outside.intent(intent_id)
    assert (closed.status, closed.certificate_id) == (IntentStatus.ISSUED, record.id)
    assert outside.corp.calls == [intent_id]
    assert outside.service.run([replace(order, request_id="again")]) == [
        Issued(der=outcome.der, repeated=True)
    ]
    assert outside.records().counts() == {("demo", Counter.SUCCESS_SIMPLEENROLL): 2}


def test_the_same_request_twice_in_one_turn_is_one_call(outside: Outside) -> None:
    order = corp_order(outside)
    first, second = outside.service.run([order, replace(order, request_id="again")])
    assert isinstance(first, Started)
    assert isinstance(second, InProgress)
    outside.settle()
    assert len(outside.corp.calls) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "status", "counted"),
    [
        (IssuerRefused("no"), IssuerRefused, IntentStatus.REFUSED, False),
        (IssuerUnavailable("issuer corp"), IssuerUnavailable, IntentStatus.FAILED, False),
        (IssuerMisbehaved("garbage"), IssuerMisbehaved, IntentStatus.OPEN, True),
        (OSError("a fault of the connector"), InternalError, IntentStatus.OPEN, True),
    ],
)
def test_a_limit_is_given_back_only_where_nothing_was_issued_for_certain(
    outside: Outside, fault: Exception, kind: type[Failure], status: IntentStatus, *, counted: bool
) -> None:
    order = corp_order(outside, limit_24h=1)
    outside.corp.fault = fault
    outcome = outside.ask(order)
    assert isinstance(outcome, kind)
    assert outcome.on_record
    [recorded] = outside.records().events()
    assert recorded.event.action is AuditAction.SIMPLE_ENROLL_FAILED
    assert recorded.event.details["issuer_id"] == "corp"
    assert [each.status for each in outside.records().intents()] == [status]
    outside.corp.fault = None
    [after] = outside.service.run([corp_order(outside, limit_24h=1)])
    assert isinstance(after, RateLimited if counted else Started)
    assert len(outside.faults) == isinstance(fault, OSError)


def test_a_refusal_holds_for_a_minute(outside: Outside) -> None:
    order = corp_order(outside)
    outside.corp.fault = IssuerRefused("not ours")
    outside.ask(order)
    [again] = outside.service.run([order])
    assert isinstance(again, IssuerRefused)
    assert (again.note, again.on_record) == ("not ours", False)
    outside.now_us += REFUSAL_HOLDS_US
    outside.corp.fault = None
    assert isinstance(outside.ask(order), Issued)


def test_what_the_store_could_not_record_is_recorded_when_it_is_back(outside: Outside) -> None:
    order = corp_order(outside)
    intent_id = outside.begin(order)
    outside.calls.wait(WAIT_SECONDS)
    with contextlib.closing(sqlite3.connect(outside.directory / "certctl.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        [(settled, outcome)] = outside.service.finish()
        assert (settled, type(outcome)) == (intent_id, StoreUnavailable)
    [(settled, outcome)] = outside.service.finish()
    assert (settled, type(outcome)) == (intent_id, Issued)
    assert outside.service.finish() == []
    assert len(outside.certificates()) == 1


def test_more_calls_than_have_room_are_refused_before_they_are_on_record(
    outside: Outside,
) -> None:
    outside.corp.gate.clear()
    orders = [corp_order(outside, f"d-{number}") for number in range(limits.MAX_WAITING + 1)]
    outcomes = outside.service.run(orders[:3]) + outside.service.run(orders[3:])
    assert [type(each) for each in outcomes[:-1]] == [Started] * limits.MAX_WAITING
    assert isinstance(outcomes[-1], IssuerUnavailable)
    assert len(outside.records().intents(limit=1_000)) == limits.MAX_WAITING
    # Local orders pass while all of them hang.
    assert isinstance(outside.service.run([outside.order("local")])[0], Issued)


def test_a_call_that_waited_too_long_for_a_place_is_not_made(outside: Outside) -> None:
    outside.corp.gate.clear()
    orders = [corp_order(outside, f"d-{number}") for number in range(limits.AT_ONCE + 1)]
    last = [each.intent_id for each in outside.service.run(orders) if isinstance(each, Started)][-1]
    outside.now_us += SLACK_US + 1
    outside.corp.gate.set()
    outcomes = dict(outside.settle())
    assert last not in outside.corp.calls
    assert isinstance(outcomes[last], IssuerUnavailable)
    assert outside.intent(last).status is IntentStatus.FAILED


def test_a_credential_revoked_during_the_call_gets_nothing(outside: Outside) -> None:
    [shown] = outside.service.run([outside.order("pump")])
    assert isinstance(shown, Issued)
    [own] = outside.certificates()
    order = corp_order(
        outside, credential=own.fingerprint, credential_serial=own.serial, credential_own=True
    )
    intent_id = outside.begin(order)
    revoke = RevokeCertificate(
        certificate_id=own.id, reason=RevocationReason.UNSPECIFIED, actor="host:x"
    )
    outside.service.execute(revoke)
    [(_, outcome)] = outside.settle()
    assert isinstance(outcome, CertificateRefused)
    _assert_orphan(outside, intent_id)


def test_rules_that_changed_during_the_call_hold(outside: Outside) -> None:
    intent_id = outside.begin(corp_order(outside))
    outside.profiles[DEFAULT_PROFILE.id] = replace(DEFAULT_PROFILE, allowed_key_algorithms=())
    [(_, outcome)] = outside.settle()
    assert isinstance(outcome, PolicyViolation)
    _assert_orphan(outside, intent_id)


def _assert_orphan(outside: Outside, intent_id: str) -> None:
    outside.settle()
    intent = outside.intent(intent_id)
    assert intent.status is IntentStatus.ORPHAN
    assert intent.told_us is not None
    [record] = [each for each in outside.certificates() if each.id == intent.certificate_id]
    assert record.status is CertificateStatus.REVOKED
    assert outside.corp.revoked == [int(record.serial, 16)]


def test_an_answer_to_what_was_given_up_reaches_nobody(outside: Outside) -> None:
    outside.corp.gate.clear()
    order = corp_order(outside)
    intent_id = outside.begin(order)
    outside.now_us += LIMIT_US + SLACK_US
    outside.corp.found = IssuerUnavailable("issuer corp")
    outside.now_us += ASK_AGAIN_US + 1
    assert outside.reconcile() == Reconciled(asked=1, lost=0, told=0)
    while outside.intent(intent_id).status is IntentStatus.OPEN:
        assert outside.service.finish() == []
    assert outside.intent(intent_id).status is IntentStatus.LOST
    outside.corp.gate.set()
    assert outside.settle() == []
    _assert_orphan(outside, intent_id)
    assert isinstance(outside.begin(order), str)


def test_what_the_ca_finds_is_the_answer(outside: Outside) -> None:
    order = corp_order(outside)
    outside.corp.fault = OSError("the answer was lost")
    intent_id = outside.begin(order)
    outside.settle()
    assert outside.reconcile() == Reconciled(asked=0, lost=0, told=0)
    outside.now_us += LIMIT_US + SLACK_US
    der = signed(order, A_DAY, NOW_US)
    outside.corp.found = der
    assert outside.reconcile() == Reconciled(asked=1, lost=0, told=0)
    assert outside.settle() == [(intent_id, Issued(der=der))]
    assert outside.service.run([order]) == [Issued(der=der, repeated=True)]


def test_an_orphan_is_revoked_again_until_it_is(outside: Outside) -> None:
    order = corp_order(outside)
    other = corp_order(outside, "another")
    outside.corp.answer = signed(other, A_DAY, NOW_US)
    outside.corp.revoking = IssuerUnavailable("issuer corp")
    outcome = outside.ask(order)
    assert isinstance(outcome, IssuerMisbehaved)
    assert outcome.note == "not as ordered: public key, subject"
    outside.settle()
    [intent] = outside.records().intents()
    assert (intent.status, intent.told_us) == (IntentStatus.ORPHAN, None)
    outside.corp.revoking = None
    assert outside.reconcile() == Reconciled(asked=0, lost=0, told=1)
    outside.settle()
    _assert_orphan(outside, intent.id)
    assert outside.reconcile() == Reconciled(asked=0, lost=0, told=0)


def test_an_approval_and_a_renewal_are_settled_with_the_answer(outside: Outside) -> None:
    [shown] = outside.service.run([outside.order("pump")])
    assert isinstance(shown, Issued)
    [own] = outside.certificates()
    outside.profiles[DEFAULT_PROFILE.id] = replace(DEFAULT_PROFILE, requires_approval=True)
    outside.now_us += SECOND_US
    order = corp_order(
        outside,
        "pump",
        operation=Operation.SIMPLEREENROLL,
        credential=own.fingerprint,
        credential_serial=own.serial,
        credential_own=True,
        renews=own.id,
        supersedes=True,
    )
    [waits] = outside.service.run([order])
    assert isinstance(waits, Pending)
    assert outside.corp.calls == []
    outside.service.execute(ApproveRequest(request_id=waits.request, reason="", actor="host:x"))
    assert isinstance(outside.ask(order), Issued)
    request = outside.records().request(waits.request)
    assert request is not None
    assert request.status is RequestStatus.ISSUED
    old, new = outside.certificates()
    assert (old.status, old.revocation_reason) == (CertificateStatus.REVOKED, "superseded")
    assert (new.id, new.renews) == (request.certificate_id, old.id)
    # Its answer was lost: the superseded certificate still fetches it.
    assert outside.service.run([order]) == [Issued(der=new.der, repeated=True)]
