"""Renewals in the authority: still good now, superseded in the same transaction."""

from __future__ import annotations

import hashlib

from cryptography import x509

from certctl.domain.audit import AuditAction
from certctl.domain.certificates import CertificateStatus
from certctl.domain.clock import DAY_US
from certctl.domain.errors import CertificateRefused, InternalError, NotAllowed
from certctl.domain.order import Issued, Order
from certctl.domain.profiles import Operation
from certctl.domain.revocation import RevocationReason
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop


def enrolled(workshop: Workshop, common_name: str = "pump") -> tuple[Order, bytes]:
    order = workshop.order(common_name)
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, Issued)
    return order, outcome.der


def renewal(workshop: Workshop, old: bytes, common_name: str = "pump", **changes: object) -> Order:
    """Shown over mTLS, with a new key."""
    fingerprint = hashlib.sha256(old).digest()
    record = next(
        each for each in workshop.records().certificates() if each.fingerprint == fingerprint
    )
    return workshop.order(
        common_name,
        **{
            "operation": Operation.SIMPLEREENROLL,
            "credential": fingerprint,
            "credential_serial": f"{x509.load_der_x509_certificate(old).serial_number:x}",
            "credential_own": True,
            "renews": record.id,
        }
        | changes,
    )


def nameless(order: Order) -> Order:
    """The same, but renewed by name without a client certificate."""
    return replace(order, credential=None, credential_serial="", credential_own=False)


def test_the_old_one_is_superseded_with_its_event(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old, supersedes=True)
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, Issued)
    # Ids of one millisecond have no order.
    before, after = sorted(workshop.records().certificates(), key=lambda each: each.renews or "")
    assert (before.status, before.revocation_reason) == (CertificateStatus.REVOKED, "superseded")
    assert after.status is CertificateStatus.VALID
    assert after.renews == before.id
    actions = [each.event.action for each in workshop.records().events()]
    assert actions[1:] == [
        AuditAction.CERTIFICATE_REVOKED,
        AuditAction.SIMPLE_REENROLL_SUCCESS,
    ]


def test_a_lost_answer_is_given_again_and_nothing_else_is(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old, supersedes=True)
    [first] = workshop.service.run([order])
    [again] = workshop.service.run([replace(order, request_id="again")])
    assert isinstance(first, Issued)
    assert isinstance(again, Issued)
    assert (again.der, again.repeated) == (first.der, True)
    [refused] = workshop.service.run([renewal(workshop, old, supersedes=True)])
    assert isinstance(refused, CertificateRefused)
    assert refused.reason == "revoked"
    revoked = [
        each
        for each in workshop.records().events()
        if each.event.action is AuditAction.CERTIFICATE_REVOKED
    ]
    assert len(revoked) == 1


def test_an_answer_is_not_given_again_for_what_an_operator_revoked(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old)
    workshop.service.run([order])
    with workshop.store.transaction() as transaction:
        transaction.revoke_certificates(
            [order.renews or ""], workshop.now_us, RevocationReason.KEY_COMPROMISE
        )
    [refused] = workshop.service.run([order])
    assert isinstance(refused, CertificateRefused)


def test_two_renewals_in_one_batch_make_one_certificate(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    two = [renewal(workshop, old, supersedes=True) for _ in range(2)]
    outcomes = workshop.service.run(two)
    assert [type(each) for each in outcomes] == [Issued, CertificateRefused]
    by_name = [nameless(each) for each in (renewal(workshop, outcomes[0].der) for _ in range(2))]  # type: ignore[union-attr]
    outcomes = workshop.service.run([replace(each, supersedes=True) for each in by_name])
    assert [type(each) for each in outcomes] == [Issued, NotAllowed]
    valid = [
        each for each in workshop.records().certificates() if each.status is CertificateStatus.VALID
    ]
    assert len(valid) == 1


def test_renewed_by_name_it_must_still_be_valid(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = nameless(renewal(workshop, old))
    with workshop.store.transaction() as transaction:
        transaction.revoke_certificates(
            [order.renews or ""], workshop.now_us, RevocationReason.SUPERSEDED
        )
    [refused] = workshop.service.run([order])
    assert isinstance(refused, NotAllowed)
    assert refused.reason == "nothing_to_renew"


def test_a_lying_worker_has_nobody_elses_certificate_revoked(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    enrolled(workshop, "victim")
    victim = next(each for each in workshop.records().certificates() if each.subject == "CN=victim")
    shown = replace(renewal(workshop, old, supersedes=True), renews=victim.id)
    for lie in (shown, nameless(shown), replace(nameless(shown), renews="absent")):
        [outcome] = workshop.service.run([lie])
        assert isinstance(outcome, InternalError)
    assert len(workshop.records().certificates()) == 2
    still = workshop.records().certificate(victim.id)
    assert still is not None
    assert still.status is CertificateStatus.VALID


def test_grace_is_for_renewals_of_the_same_profile(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old)
    # The CA outlives its 90-day certificates.
    workshop.now_us += 91 * DAY_US
    late = replace(order, grace_us=0)
    foreign = replace(order, profile="other", grace_us=7 * DAY_US)
    enroll = replace(order, operation=Operation.SIMPLEENROLL, renews=None, grace_us=7 * DAY_US)
    for refused in workshop.service.run([late, foreign, enroll]):
        assert isinstance(refused, CertificateRefused)
        assert refused.reason == "expired"
    [granted] = workshop.service.run([replace(order, grace_us=7 * DAY_US)])
    assert isinstance(granted, Issued)


RA = {
    "credential": hashlib.sha256(b"a registration authority").digest(),
    "credential_serial": "a1",
    "credential_own": False,
    "registration_authority": True,
}


def test_a_registration_authority_supersedes_what_it_renews_and_not_its_own(
    workshop: Workshop,
) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old, "pump", supersedes=True, **RA)
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, Issued)
    states = {each.id: each.status for each in workshop.records().certificates()}
    assert states.pop(order.renews or "") is CertificateStatus.REVOKED
    assert set(states.values()) == {CertificateStatus.VALID}
    assert workshop.faults == []


def test_what_was_revoked_meanwhile_no_registration_authority_renews(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old, "pump", **RA)
    with workshop.store.transaction() as transaction:
        transaction.revoke_certificates(
            [order.renews or ""], workshop.now_us, RevocationReason.KEY_COMPROMISE
        )
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, NotAllowed)
    assert outcome.reason == "nothing_to_renew"
    assert len(workshop.records().certificates()) == 1


def test_a_registration_authority_renews_no_other_names(workshop: Workshop) -> None:
    _, old = enrolled(workshop)
    order = renewal(workshop, old, "turbine", supersedes=True, **RA)
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, InternalError)
    [record] = workshop.records().certificates()
    assert record.status is CertificateStatus.VALID


def test_grace_is_for_the_device_and_not_for_the_registration_authority(
    workshop: Workshop,
) -> None:
    _, own = enrolled(workshop, "ra")
    _, device = enrolled(workshop)
    workshop.now_us += 91 * DAY_US
    as_authority = {
        "credential": hashlib.sha256(own).digest(),
        "credential_serial": f"{x509.load_der_x509_certificate(own).serial_number:x}",
        "registration_authority": True,
        "grace_us": 30 * DAY_US,
    }
    [outcome] = workshop.service.run([renewal(workshop, device, "pump", **as_authority)])
    assert isinstance(outcome, CertificateRefused)
    assert outcome.reason == "expired"
