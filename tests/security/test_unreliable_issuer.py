"""A CA outside that hangs, dies, lies and answers late: nothing is doubled, and nothing
reaches a device that is not on record and what was ordered.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, AuditEvent, Counter
from certctl.domain.certificates import CertificateRecord, CertificateSource, CertificateStatus
from certctl.domain.intent import Intent, IntentStatus
from tests.harness.device import Device, certificates_of
from tests.harness.http import basic
from tests.harness.outside import (
    OutsideCA,
    intents,
    outside_ca,
    reconcile,
    wait_intent,
)
from tests.harness.pki import ForeignCA
from tests.harness.raw import Answer, RawClient, post
from tests.harness.records import Ledger, Refused, all_events, counts
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import assert_refused

PASSWORD = "outside-password-01"
ISSUER_OF = {"demo": "corp", "blind": "blind", "limited": "corp", "local": "iss-local"}
OPEN, LOST, ORPHAN = IntentStatus.OPEN, IntentStatus.LOST, IntentStatus.ORPHAN
WAIT_SECONDS = 30


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutsideCA]:
    made = outside_ca(tmp_path_factory.mktemp("outside") / "corp")
    yield made
    made.open()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ca: OutsideCA) -> Iterator[RunningServer]:
    """Issuer ``corp`` can find; ``blind`` is the same CA that cannot, and has two seconds."""
    settings = {"ISSUERS": "iss-local,corp,blind", "EST_PROFILES": ",".join(ISSUER_OF)}
    for profile, issuer in ISSUER_OF.items():
        prefix = f"EST_PROFILE_{profile.upper()}"
        settings[f"{prefix}_ISSUER_ID"] = issuer
        settings[f"{prefix}_ALLOWED_AUTH_MODES"] = "basic"
        settings[f"{prefix}_ENROLLMENT_PASSWORD"] = PASSWORD
    settings["EST_PROFILE_LIMITED_RATE_LIMIT_PER_PRINCIPAL_24H"] = "1"
    settings |= ca.settings("corp") | ca.settings("blind", find=False, timeout="2s")
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


@pytest.fixture(autouse=True)
def _good_again(ca: OutsideCA) -> Iterator[None]:
    yield
    ca.open()


def path(profile: str = "demo") -> str:
    return f"/.well-known/est/{profile}/simpleenroll"


def ask(server: RunningServer, device: Device, profile: str = "demo") -> Answer:
    # A limit counts for one address; refusals of one address could share an event.
    source = "127.0.0.1" if profile == "limited" else None
    with RawClient(server, source=source) as client:
        client.send(asked(device, profile))
        return client.answer()


def asked(device: Device, profile: str = "demo") -> bytes:
    line = "Authorization: " + basic("device", PASSWORD)["Authorization"]
    return post(path(profile), device.csr().public_bytes(Encoding.DER), line)


def poll(server: RunningServer, device: Device, profile: str = "demo") -> x509.Certificate:
    """The same request again, until there is something else than "not yet"."""
    while (answer := ask(server, device, profile)).status == 202:
        assert answer.headers["retry-after"] == "1"
    assert answer.status == 200, answer.text
    return certificates_of(answer.body)[0]


def refusal(profile: str = "demo", *, times: int = 1) -> Refused:
    return Refused(
        action=AuditAction.SIMPLE_ENROLL_FAILED,
        reason="issuer_error",
        counter=Counter.ISSUER_ERROR,
        profile=profile,
        times=times,
    )


def last_failure(server: RunningServer) -> AuditEvent:
    failed = [e.event for e in all_events(server) if e.event.details.get("fault") is not None]
    return failed[-1]


def record_of(server: RunningServer, certificate_id: str | None) -> CertificateRecord:
    records = server.records()
    try:
        found = records.certificate(certificate_id or "")
    finally:
        records.close()
    assert found is not None
    return found


def orphan_of(server: RunningServer, common_name: str) -> tuple[Intent, CertificateRecord]:
    """The orphan of this device's order, once the CA has said that it is revoked."""
    for _ in range(1_000):
        intent = wait_intent(server, common_name, ORPHAN)
        if intent.told_us is not None:
            break
        threading.Event().wait(0.02)
    else:
        raise AssertionError(intent)
    return intent, record_of(server, intent.certificate_id)


def runs(pid: str) -> bool:
    """Whether there is such a process, other than one that nobody has buried yet."""
    try:
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


OTHER_CSR = "'csr': open('{here}/other.csr').read()"


@pytest.mark.parametrize(
    ("number", "changes", "differs"),
    [
        (1, OTHER_CSR, "public key, subject"),
        (2, "'sans': ['dns:bank.example.org']", "subjectAltName"),
        (3, "'ekus': ['1.3.6.1.5.5.7.3.1']", "extendedKeyUsage"),
        (4, "'ekus': []", "extendedKeyUsage"),
        (5, "'not_after': '20991231235959Z'", "validity"),
    ],
    ids=["another device's", "other names", "other usage", "any usage", "too long"],
)
def test_another_certificate_than_ordered_reaches_nobody(
    server: RunningServer, ca: OutsideCA, number: int, changes: str, differs: str
) -> None:
    device, name = Device(server.directory, f"liar-{number}"), f"liar-{number}"
    other = Device(server.directory, f"bank-{number}").csr().public_bytes(Encoding.PEM)
    (ca.directory / "other.csr").write_bytes(other)
    ca.mood(f'changed "{{{changes.format(here=ca.directory)}}}"')
    before = dict(counts(server))
    answer = ask(server, device)
    assert_refused(answer, 500, "not what was ordered")
    assert answer.closes
    assert last_failure(server).details["note"] == f"not as ordered: {differs}"
    intent, record = orphan_of(server, name)
    assert record.status is CertificateStatus.REVOKED
    assert record.source is CertificateSource.ORPHAN
    assert ("R", record.serial) in ca.index()
    assert f"not as ordered: {differs}" in intent.note
    key = ("demo", Counter.ISSUER_ERROR)
    assert counts(server)[key] == before.get(key, 0) + 1
    ca.mood()
    certificate = poll(server, device)
    assert f"{certificate.serial_number:x}" != record.serial


@pytest.mark.parametrize(
    ("number", "mood", "note"),
    [
        (1, "echo hello", "printed 0 certificates"),
        (2, "good; cat $here/ca.pem", "printed 2 certificates"),
        (3, "cat $here/foreign.pem", "cannot be used"),
        (4, "good | tr a-f b-g", "is no certificate"),
        (5, "yes", "too long"),
    ],
    ids=["garbage", "two certificates", "a stranger's certificate", "broken", "a flood"],
)
def test_an_answer_that_is_none_is_believed_in_nothing(
    server: RunningServer, ca: OutsideCA, number: int, mood: str, note: str
) -> None:
    stranger = ForeignCA("stranger").equip(Device(server.directory, "stranger"))
    (ca.directory / "foreign.pem").write_bytes(stranger.certificate_file.read_bytes())
    device = Device(server.directory, f"none-{number}")
    ca.mood(mood)
    ledger, calls = Ledger(server, path=path()), ca.calls()
    assert_refused(ask(server, device), 500)
    ledger.expect(refusal())
    intent = wait_intent(server, device.common_name, OPEN)
    assert note in intent.note
    # It may have issued: nobody calls it again before that is settled.
    ca.mood()
    again = ask(server, device)
    assert_refused(again, 202, "has not answered yet")
    assert ca.calls() == calls + 1
    signed = "good" in mood
    assert reconcile(server).lost == 0
    certificate = poll(server, device)
    assert ca.calls() == calls + (1 if signed else 2)
    serials = [serial for _, serial in ca.index()]
    assert serials.count(f"{certificate.serial_number:x}") == 1


def test_somebody_elses_certificate_is_neither_given_nor_revoked(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood()
    victim = Device(server.directory, "victim")
    certificate = poll(server, victim)
    serial = f"{certificate.serial_number:x}"
    (ca.directory / "victim.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    ca.mood("cat $here/victim.pem")
    device = Device(server.directory, "thief")
    assert_refused(ask(server, device), 500)
    assert "on record already" in wait_intent(server, "thief", OPEN).note
    assert ("V", serial) in ca.index()
    ca.mood()
    reconcile(server)
    poll(server, device)
    assert ("V", serial) in ca.index()


def test_the_no_of_the_ca_is_told_and_holds_for_a_minute(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("printf 'not in the \\033[31minventory\\nmore' >&2; exit 77")
    device = Device(server.directory, "unwanted")
    ledger, calls = Ledger(server, path=path()), ca.calls()
    for _ in range(2):
        assert_refused(ask(server, device), 403, "not in the \\u001b[31minventory")
    assert ca.calls() == calls + 1
    ledger.expect(refusal(times=2))
    assert wait_intent(server, "unwanted", IntentStatus.REFUSED)


def test_away_is_503_and_costs_no_certificate_of_the_limit(
    server: RunningServer, ca: OutsideCA
) -> None:
    program = ca.directory / "unreliable"
    device = Device(server.directory, "patient")
    ledger = Ledger(server, path=path("limited"))
    ca.mood("exit 75")
    answer = ask(server, device, "limited")
    assert_refused(answer, 503, "nothing was issued")
    assert answer.headers["retry-after"] == "30"
    program.rename(ca.directory / "elsewhere")
    try:
        assert ask(server, device, "limited").headers["retry-after"] == "30"
    finally:
        (ca.directory / "elsewhere").rename(program)
    ledger.expect(refusal("limited", times=2))
    ca.mood()
    poll(server, device, "limited")
    ledger.expect(refusal("limited", times=2), issued=1)


def test_a_call_under_way_is_counted_once_and_made_once(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("gate; good")
    device, calls = Device(server.directory, "twice"), ca.calls()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ask, server, device, "limited")
        ca.wait_calls(calls + 1)
        # Two at once, and again: one call. The limit of one does not stop the polls.
        for _ in range(3):
            answer = ask(server, device, "limited")
            assert_refused(answer, 202, "has not answered yet")
            assert answer.headers["retry-after"] == "1"
        # Meanwhile the local CA serves.
        assert ask(server, Device(server.directory, "local"), "local").status == 200
        ca.open()
        certificate = certificates_of(first.result(WAIT_SECONDS).body)[0]
    assert poll(server, device, "limited") == certificate
    assert ca.calls() == calls + 1
    another = Device(server.directory, "twice")
    assert_refused(ask(server, another, "limited"), 429)
    assert ca.calls() == calls + 1


def test_a_device_that_hangs_up_finds_its_certificate_later(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("gate; good")
    device, calls = Device(server.directory, "impatient"), ca.calls()
    with RawClient(server) as client:
        client.send(asked(device))
        ca.wait_calls(calls + 1)
    ca.open()
    wait_intent(server, "impatient", IntentStatus.ISSUED)
    ledger = Ledger(server, path=path())
    poll(server, device)
    ledger.expect(repeated=1)
    assert ca.calls() == calls + 1


@pytest.mark.slow
def test_a_slow_ca_is_polled(server: RunningServer, ca: OutsideCA) -> None:
    ca.mood("gate; good")
    device, calls = Device(server.directory, "slow"), ca.calls()
    answer = ask(server, device)
    assert_refused(answer, 202, "has not answered yet")
    assert answer.headers["retry-after"] == "1"
    ca.open()
    poll(server, device)
    assert ca.calls() == calls + 1


def test_a_program_that_hangs_is_killed_and_its_order_is_lost(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("echo $$ > $here/pid; sleep 55 & sleep 56")
    device, ledger = Device(server.directory, "hung"), Ledger(server, path=path("blind"))
    answer = ask(server, device, "blind")
    assert_refused(answer, 503, "no clear answer")
    ledger.expect(refusal("blind"))
    assert not runs((ca.directory / "pid").read_text().strip())
    assert reconcile(server).lost >= 1
    intent = wait_intent(server, "hung", LOST)
    lost = [e.event for e in all_events(server) if e.event.action is AuditAction.INTENT_LOST]
    assert [each.details["subject"] for each in lost if each.resource_id == intent.id] == [
        "CN=hung"
    ]
    change = ledger.change()
    assert change.counts["blind", Counter.ISSUER_ERROR] == 2
    ca.mood()
    poll(server, device, "blind")


def test_what_was_signed_before_the_program_died_is_found(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("good > /dev/null; kill -9 $$")
    device, calls = Device(server.directory, "found"), ca.calls()
    assert_refused(ask(server, device), 503, "no clear answer")
    assert reconcile(server).asked >= 1
    certificate = poll(server, device)
    assert ca.calls() == calls + 1
    assert ca.index()[-1] == ("V", f"{certificate.serial_number:x}")


def test_an_answer_after_its_order_was_given_up_reaches_nobody(
    server: RunningServer, ca: OutsideCA
) -> None:
    ca.mood("gate; good")
    device, calls = Device(server.directory, "late"), ca.calls()
    with RawClient(server) as client:
        client.send(asked(device, "blind"))
        ca.wait_calls(calls + 1)
        reconcile(server)
        wait_intent(server, "late", LOST)
        ca.open()
        intent, record = orphan_of(server, "late")
    assert record.source is CertificateSource.ORPHAN
    assert ("R", record.serial) in ca.index()
    found = [each.event for each in all_events(server) if each.event.resource_id == record.id]
    assert [each.action for each in found] == [
        AuditAction.INTENT_LOST,
        AuditAction.CERTIFICATE_REVOKED,
    ]
    ca.mood()
    certificate = poll(server, device, "blind")
    assert f"{certificate.serial_number:x}" != record.serial
    assert len([each for each in intents(server) if each.key == intent.key]) == 2
