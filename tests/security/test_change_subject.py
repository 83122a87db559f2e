"""Other names by ChangeSubjectName: only at renewal, only where allowed, by every rule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.change_subject import CHANGE_SUBJECT_NAME
from certctl.wire.der import SEQUENCE, encode
from tests.harness.device import Device, certificates_of
from tests.harness.http import basic, tls_context
from tests.harness.raw import Answer, RawClient, post
from tests.harness.records import Ledger, Refused
from tests.harness.server import RunningServer, configured_server, ruled_server
from tests.security.enrollment import ENROLL, REENROLL, assert_refused
from tests.unit.wire import forge

PASSWORD = "change-password-001"
OLD = forge.name((forge.CN, "old"))
NEW = forge.name((forge.CN, "new"))
SANS = encode(SEQUENCE, forge.dns("new.example"))
SETTINGS = {
    "EST_PROFILES": "demo",
    "EST_PROFILE_DEMO_ISSUER_ID": "iss-local",
    "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic,mtls",
    "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
    "EST_PROFILE_DEMO_MTLS_OWN_ONLY": "true",
    "EST_PROFILE_DEMO_ON_REENROLL": "revoke_old",
    # The attribute demands the old names in the CSR even where names may differ.
    "EST_PROFILE_DEMO_REENROLL_REQUIRE_SAME_SUBJECT": "false",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    # The one key of forged requests stands under many names here.
    rules = {"allow_subject_change": True, "allow_key_reuse": True}
    with ruled_server(tmp_path_factory.mktemp("change"), SETTINGS, rules) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with configured_server(tmp_path_factory.mktemp("strict"), SETTINGS) as running:
        yield running


def change(*parts: bytes, subject: bytes = OLD, unique: str = "") -> bytes:
    """A CSR of ``subject`` that asks for other names; ``unique`` makes it a new request."""
    wanted = [forge.attribute(CHANGE_SUBJECT_NAME, encode(SEQUENCE, *parts))]
    if unique:
        wanted.append(forge.attribute("1.2.3.4.5", encode(0x0C, unique.encode())))
    return forge.request(*wanted, subject=subject)


def send(server: RunningServer, path: str, body: bytes, device: Device | None = None) -> Answer:
    context = None
    lines = ["Authorization: " + basic("device", PASSWORD)["Authorization"]]
    if device is not None:
        context = tls_context(
            server.ca_file, certificate=device.certificate_file, key=device.key_file
        )
        lines = []
    with RawClient(server, context=context) as client:
        client.send(post(path, body, *lines))
        return client.answer()


def enrolled(server: RunningServer, unique: str) -> Device:
    """A new certificate for ``OLD``, whatever became of earlier ones."""
    label = forge.attribute("1.2.3.4.5", encode(0x0C, unique.encode()))
    answer = send(server, ENROLL, forge.request(label, subject=OLD))
    assert answer.status == 200, answer.text
    certificate = certificates_of(answer.body)[0]
    return Device(server.directory, unique, key=forge.key_of(OLD), certificate=certificate)


def violation(dimension: str) -> Refused:
    return Refused(
        action=AuditAction.CSR_POLICY_VIOLATION,
        reason=dimension,
        counter=Counter.CSR_POLICY_VIOLATION,
    )


def of_renewal(reason: str) -> Refused:
    return Refused(
        action=AuditAction.SIMPLE_REENROLL_FAILED,
        reason=reason,
        counter=Counter.CSR_POLICY_VIOLATION,
    )


@pytest.mark.parametrize("shown", [True, False], ids=["mTLS", "by name"])
def test_new_names_come_from_the_attribute_alone(
    server: RunningServer,
    shown: bool,  # noqa: FBT001
) -> None:
    device = enrolled(server, f"allowed-{shown}")
    ledger = Ledger(server)
    body = change(NEW, SANS, unique=f"change-{shown}")
    answer = send(server, REENROLL, body, device if shown else None)
    assert answer.status == 200, answer.text
    got = certificates_of(answer.body)[0]
    assert got.subject.public_bytes() == NEW
    assert SANS in got.public_bytes(Encoding.DER)
    ledger.expect(issued=1)


def test_refused_where_it_is_not_allowed(strict: RunningServer) -> None:
    device = enrolled(strict, "strict")
    ledger = Ledger(strict)
    assert_refused(send(strict, REENROLL, change(NEW), device), 400, "ChangeSubjectName")
    assert_refused(send(strict, REENROLL, change(NEW)), 400, "ChangeSubjectName")
    assert_refused(send(strict, ENROLL, change(NEW)), 400, "ChangeSubjectName")
    ledger.expect(
        Refused(
            action=AuditAction.CSR_POLICY_VIOLATION,
            reason="attribute",
            counter=Counter.CSR_POLICY_VIOLATION,
            times=3,
        )
    )


def test_refused_at_a_first_enrollment(server: RunningServer) -> None:
    ledger = Ledger(server)
    assert_refused(send(server, ENROLL, change(NEW)), 400, "renewals only")
    ledger.expect(violation("attribute"))


def test_the_csr_must_still_have_the_old_names(server: RunningServer) -> None:
    device = enrolled(server, "pretender")
    ledger = Ledger(server)
    pretending = change(NEW, subject=forge.name((forge.CN, "boss")))
    assert_refused(send(server, REENROLL, pretending, device), 403, "subject")
    assert_refused(send(server, REENROLL, pretending), 403, "no valid certificate")
    ledger.expect(of_renewal("subject_changed"), of_renewal("nothing_to_renew"))


RULES = {
    "deceiving": (change(forge.name((forge.CN, "a\u202eb"))), 403, "name"),
    "wildcard": (change(NEW, encode(SEQUENCE, forge.dns("*.example"))), 403, "name"),
    "empty": (change(forge.name()), 400, "subject"),
    "too many": (
        change(NEW, encode(SEQUENCE, *(forge.dns(f"n{n}.example") for n in range(21)))),
        400,
        "san",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_new_names_meet_every_rule(server: RunningServer, case: str) -> None:
    body, status, dimension = RULES[case]
    device = enrolled(server, f"ruled-{case.replace(' ', '-')}")
    ledger = Ledger(server)
    assert_refused(send(server, REENROLL, body, device), status)
    ledger.expect(violation(dimension))


def test_names_that_are_no_names_are_malformed(server: RunningServer) -> None:
    device = enrolled(server, "malformed")
    ledger = Ledger(server)
    body = change(encode(SEQUENCE, encode(0x31, b"\x05\x00")))
    assert_refused(send(server, REENROLL, body, device), 400)
    ledger.expect(
        Refused(
            action=AuditAction.SIMPLE_REENROLL_FAILED,
            reason="csr_invalid",
            counter=Counter.CSR_INVALID,
        )
    )
