"""Renewals that want more than what they renew, and the rules of key, grace and successor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.certificates import CertificateRecord, CertificateStatus
from certctl.domain.clock import DAY_US
from certctl.wire.der import SEQUENCE, SET, encode
from tests.harness.device import Device, certificates_of
from tests.harness.http import basic, tls_context
from tests.harness.raw import Answer, RawClient, post
from tests.harness.records import Ledger, Refused, all_events
from tests.harness.replacing import replace
from tests.harness.server import RunningServer, configured_server, ruled_server, write_rules
from tests.security.enrollment import assert_refused
from tests.unit.wire import forge

PASSWORD = "renewal-password-01"
PROFILES = {
    "demo": {},
    "new": {"REENROLL_KEY": "new"},
    "same": {"REENROLL_KEY": "same"},
    "grace": {"REENROLL_GRACE": "7d"},
    "replace": {"ON_REENROLL": "revoke_old"},
}
ORG, OU = "2.5.4.10", "2.5.4.11"
SERIAL_NUMBER = "2.5.4.5"
SUBJECT = ((ORG, "Acme"), (forge.CN, "pump"), (SERIAL_NUMBER, "A1"))
SANS = (forge.dns("a.example"), forge.dns("b.example"))


def settings() -> dict[str, str]:
    made = {"EST_PROFILES": ",".join(PROFILES)}
    for name, more in PROFILES.items():
        common = {
            "ISSUER_ID": "iss-local",
            "ALLOWED_AUTH_MODES": "basic,mtls",
            "ENROLLMENT_PASSWORD": f"{PASSWORD}-{name}",
            "MTLS_OWN_ONLY": "true",
        }
        for suffix, value in (common | more).items():
            made[f"EST_PROFILE_{name.upper()}_{suffix}"] = value
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with configured_server(tmp_path_factory.mktemp("renewal"), settings()) as running:
        yield running


def path(operation: str, profile: str) -> str:
    return f"/.well-known/est/{profile}/{operation}"


def login(profile: str) -> str:
    return "Authorization: " + basic("device", f"{PASSWORD}-{profile}")["Authorization"]


def csr(*pairs: tuple[str, str] | tuple[str, str, int], sans: tuple[bytes, ...] = SANS) -> bytes:
    """Names made by hand; each subject has its key."""
    wanted = [forge.extensions(forge.sans(*sans))] if sans else []
    return forge.request(*wanted, subject=forge.name(*pairs))


def send(server: RunningServer, operation: str, profile: str, body: bytes) -> Answer:
    with RawClient(server) as client:
        client.send(post(path(operation, profile), body, login(profile)))
        return client.answer()


def renew(server: RunningServer, device: Device, profile: str, body: bytes | None = None) -> Answer:
    """Over mTLS with the device's certificate."""
    context = tls_context(server.ca_file, certificate=device.certificate_file, key=device.key_file)
    with RawClient(server, context=context) as client:
        made = body or device.csr().public_bytes(Encoding.DER)
        client.send(post(path("simplereenroll", profile), made))
        return client.answer()


@pytest.fixture(scope="module")
def pump(server: RunningServer) -> Device:
    """Holds a certificate of profile ``demo`` for ``SUBJECT`` and ``SANS``."""
    answer = send(server, "simpleenroll", "demo", csr(*SUBJECT))
    assert answer.status == 200
    return Device(
        server.directory,
        "pump",
        key=forge.key_of(forge.name(*SUBJECT)),
        certificate=certificates_of(answer.body)[0],
    )


def not_allowed(reason: str, profile: str = "demo") -> Refused:
    return Refused(
        action=AuditAction.SIMPLE_REENROLL_FAILED,
        reason=reason,
        counter=Counter.CSR_POLICY_VIOLATION,
        profile=profile,
    )


OTHERS = {
    "another CN": (
        csr((ORG, "Acme"), (forge.CN, "boss"), (SERIAL_NUMBER, "A1")),
        "subject_changed",
    ),
    "other case": (csr((ORG, "acme"), *SUBJECT[1:]), "subject_changed"),
    "other RDN order": (csr(*reversed(SUBJECT)), "subject_changed"),
    "an RDN more": (csr(*SUBJECT, (OU, "Root")), "subject_changed"),
    "an RDN less": (csr(*SUBJECT[:2]), "subject_changed"),
    "another attribute type": (csr((OU, "Acme"), *SUBJECT[1:]), "subject_changed"),
    "no subject": (csr(), "subject_changed"),
    "RDNs joined": (
        forge.request(
            forge.extensions(forge.sans(*SANS)),
            subject=encode(
                SEQUENCE,
                encode(SET, *sorted(forge.attribute_value(*pair) for pair in SUBJECT)),
            ),
        ),
        "subject_changed",
    ),
    "a SAN added": (csr(*SUBJECT, sans=(*SANS, forge.dns("c.example"))), "san_changed"),
    "a SAN dropped": (csr(*SUBJECT, sans=SANS[:1]), "san_changed"),
    "another SAN": (csr(*SUBJECT, sans=(SANS[0], forge.dns("c.example"))), "san_changed"),
    "SAN in other case": (csr(*SUBJECT, sans=(SANS[0], forge.dns("B.example"))), "san_changed"),
    "SAN of another kind": (
        csr(*SUBJECT, sans=(SANS[0], encode(0x86, b"b:example"))),
        "san_changed",
    ),
    "no SAN": (csr(*SUBJECT, sans=()), "san_changed"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_name_is_refused(server: RunningServer, pump: Device, case: str) -> None:
    body, reason = OTHERS[case]
    ledger = Ledger(server)
    part = "subject" if reason == "subject_changed" else "subjectAltName"
    assert_refused(renew(server, pump, "demo", body), 403, part, "RFC 7030 §4.2.2")
    # By name, without a certificate, there is no such thing to renew.
    assert_refused(send(server, "simplereenroll", "demo", body), 403, "no valid certificate")
    ledger.expect(not_allowed(reason), not_allowed("nothing_to_renew"))


SAME = {
    "as it was": csr(*SUBJECT),
    "another string type": csr(*((oid, text, forge.PRINTABLE) for oid, text in SUBJECT)),
    "SANs in another order": csr(*SUBJECT, sans=SANS[::-1]),
    "a SAN twice": csr(*SUBJECT, sans=(*SANS, SANS[0])),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.parametrize("shown", [True, False], ids=["mTLS", "by name"])
def test_the_same_names_written_otherwise_are_accepted(
    server: RunningServer,
    pump: Device,
    case: str,
    shown: bool,  # noqa: FBT001
) -> None:
    body = SAME[case]
    answer = (
        renew(server, pump, "demo", body) if shown else send(server, "simplereenroll", "demo", body)
    )
    assert answer.status == 200, answer.text
    assert pump.certificate is not None
    assert certificates_of(answer.body)[0].subject == pump.certificate.subject


def enrolled(server: RunningServer, profile: str, name: str) -> Device:
    device = Device(server.directory, f"{profile}-{name}")
    answer = send(server, "simpleenroll", profile, device.csr().public_bytes(Encoding.DER))
    assert answer.status == 200, answer.text
    device.certificate = certificates_of(answer.body)[0]
    return device


def with_new_key(device: Device) -> bytes:
    return Device(device.directory, device.common_name).csr().public_bytes(Encoding.DER)


@pytest.mark.parametrize("shown", [True, False], ids=["mTLS", "by name"])
def test_the_old_key_is_refused_where_a_new_one_is_wanted(
    server: RunningServer,
    shown: bool,  # noqa: FBT001
) -> None:
    device = enrolled(server, "new", f"pump-{shown}")
    old, new = device.csr().public_bytes(Encoding.DER), with_new_key(device)

    def ask(body: bytes) -> Answer:
        if shown:
            return renew(server, device, "new", body)
        return send(server, "simplereenroll", "new", body)

    ledger = Ledger(server)
    assert_refused(ask(old), 403, "key", "REENROLL_KEY")
    assert ask(new).status == 200
    ledger.expect(not_allowed("key_not_new", "new"), issued=1)


@pytest.mark.parametrize("shown", [True, False], ids=["mTLS", "by name"])
def test_a_new_key_is_refused_where_the_old_one_is_kept(
    server: RunningServer,
    shown: bool,  # noqa: FBT001
) -> None:
    device = enrolled(server, "same", f"pump-{shown}")
    ledger = Ledger(server)
    new = with_new_key(device)
    if shown:
        assert_refused(renew(server, device, "same", new), 403, "key", "REENROLL_KEY")
    else:
        assert_refused(send(server, "simplereenroll", "same", new), 403, "key", "REENROLL_KEY")
    assert renew(server, device, "same").status == 200
    ledger.expect(not_allowed("key_changed", "same"), issued=1)


def expire(server: RunningServer, device: Device, days: float) -> None:
    """On record, the device's certificate has expired so long ago."""
    assert device.certificate is not None
    serial = device.certificate.serial_number.to_bytes(20, "big")
    with sqlite3.connect(server.database, timeout=20) as database:
        changed = database.execute(
            "UPDATE certificates SET not_after_us = unixepoch() * 1000000 - ? WHERE serial = ?",
            (int(days * DAY_US), serial),
        )
        assert changed.rowcount == 1


EXPIRED = Refused(
    action=AuditAction.AUTH_FAILED_MTLS, reason="expired", counter=Counter.AUTH_FAILED_MTLS
)


def test_grace_ends_and_is_for_renewal_alone(server: RunningServer) -> None:
    for profile in ("demo", "grace"):
        device = enrolled(server, profile, "late")
        expire(server, device, 6.9)
        ledger = Ledger(server)
        if profile == "demo":
            assert_refused(renew(server, device, profile), 401, "expired")
            ledger.expect(EXPIRED)
            continue
        context = tls_context(
            server.ca_file, certificate=device.certificate_file, key=device.key_file
        )
        with RawClient(server, context=context) as client:
            body = device.csr().public_bytes(Encoding.DER)
            client.send(post(path("simpleenroll", profile), body))
            assert_refused(client.answer(), 401, "expired")
        assert renew(server, device, profile).status == 200
        ledger.expect(replace(EXPIRED, profile=profile), issued=1)

    device = enrolled(server, "grace", "too-late")
    expire(server, device, 7.1)
    ledger = Ledger(server)
    assert_refused(renew(server, device, "grace"), 401, "expired")
    by_name = device.csr().public_bytes(Encoding.DER)
    assert_refused(send(server, "simplereenroll", "grace", by_name), 403, "no valid certificate")
    ledger.expect(replace(EXPIRED, profile="grace"), not_allowed("nothing_to_renew", "grace"))


def record_of(server: RunningServer, device: Device) -> CertificateRecord:
    assert device.certificate is not None
    records = server.records()
    (record,) = records.with_serial(f"{device.certificate.serial_number:x}")
    records.close()
    return record


def test_the_old_certificate_is_superseded_and_a_lost_answer_comes_again(
    server: RunningServer,
) -> None:
    device = enrolled(server, "replace", "pump")
    ledger = Ledger(server)
    body = with_new_key(device)
    first = renew(server, device, "replace", body)
    assert first.status == 200, first.text
    old = record_of(server, device)
    assert (old.status, old.revocation_reason) == (CertificateStatus.REVOKED, "superseded")

    again = renew(server, device, "replace", body)
    assert (again.status, again.body) == (200, first.body)
    # Anything else that the superseded certificate is shown for is refused.
    assert_refused(renew(server, device, "replace", with_new_key(device)), 401, "revoked")
    ledger.expect(replace(EXPIRED, reason="revoked", profile="replace"), issued=1, repeated=1)
    told = [
        each.event
        for each in all_events(server)
        if each.event.action is AuditAction.CERTIFICATE_REVOKED and each.event.resource_id == old.id
    ]
    assert [each.details["reason"] for each in told] == ["superseded"]


def test_the_same_request_twice_at_once_is_one_certificate(server: RunningServer) -> None:
    """Over connections of their own, so that both workers get some."""
    device = Device(server.directory, "twice")
    body = device.csr().public_bytes(Encoding.DER)
    ledger = Ledger(server)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(send, server, "simpleenroll", "demo", body) for _ in range(12)]
        answers = [each.result() for each in asked]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    ledger.expect(issued=1, repeated=11)


def test_what_is_not_the_same_request_is_a_new_certificate(server: RunningServer) -> None:
    device = enrolled(server, "demo", "varied")
    body = device.csr().public_bytes(Encoding.DER)
    bodies = [
        send(server, "simpleenroll", "demo", body).body,
        send(server, "simpleenroll", "grace", body).body,  # another profile
        send(server, "simplereenroll", "demo", body).body,  # another operation
        renew(server, device, "demo", body).body,  # another principal
        send(server, "simpleenroll", "demo", with_new_key(device)).body,  # another key
    ]
    assert len(set(bodies)) == len(bodies)
    assert certificates_of(bodies[0])[0] == device.certificate


def test_after_a_change_of_the_rules_the_same_request_is_a_new_one(tmp_path: Path) -> None:
    running = ruled_server(tmp_path, settings(), {"max_sans": 20})
    body = Device(tmp_path, "ruled").csr().public_bytes(Encoding.DER)
    answers = []
    for most in (20, 20, 19):
        write_rules(tmp_path / "certificate-profiles", {"max_sans": most})
        with running:
            answers.append(send(running, "simpleenroll", "demo", body).body)
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_a_revoked_certificate_is_never_the_answer_again(server: RunningServer) -> None:
    device = enrolled(server, "demo", "withdrawn")
    assert device.certificate is not None
    serial = device.certificate.serial_number.to_bytes(20, "big")
    with sqlite3.connect(server.database, timeout=20) as database:
        database.execute(
            "UPDATE certificates SET status = 'revoked', revoked_us = 1,"
            " revocation_reason = 'keyCompromise' WHERE serial = ?",
            (serial,),
        )
    body = device.csr().public_bytes(Encoding.DER)
    ledger = Ledger(server)
    answer = send(server, "simplereenroll", "demo", body)
    assert_refused(answer, 403, "no valid certificate")
    ledger.expect(not_allowed("nothing_to_renew"))
    again = send(server, "simpleenroll", "demo", body)
    assert certificates_of(again.body)[0].serial_number != device.certificate.serial_number
