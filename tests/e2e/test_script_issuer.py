"""The page "A script as issuer" as it stands: its commands, its settings, openssl ca."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from certctl.domain.intent import IntentStatus
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.outside import (
    OutsideCA,
    outside_ca,
    page_settings,
    pass_deadlines,
    wait_intent,
)
from tests.harness.records import Ledger
from tests.harness.server import RunningServer, clean_environment, configured_server

PASSWORD = "script-password-01"
ENROLL = "/.well-known/est/demo/simpleenroll"
REENROLL = "/.well-known/est/demo/simplereenroll"
EST = {
    "EST_PROFILES": "demo",
    "EST_PROFILE_DEMO_ALLOWED_AUTH_MODES": "basic,mtls",
    "EST_PROFILE_DEMO_MTLS_ENABLED": "true",
    "EST_PROFILE_DEMO_MTLS_OWN_ONLY": "true",
    "EST_PROFILE_DEMO_ENROLLMENT_PASSWORD": PASSWORD,
}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> OutsideCA:
    return outside_ca(tmp_path_factory.mktemp("outside") / "corp")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ca: OutsideCA) -> Iterator[RunningServer]:
    settings = EST | page_settings(ca.directory)
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


def test_a_device_enrolls_and_renews_at_the_ca_outside(
    server: RunningServer, ca: OutsideCA
) -> None:
    ledger = Ledger(server)
    sans = [x509.DNSName("pump-1.example.org"), x509.UniformResourceIdentifier("urn:pump:1")]
    device = Device(server.directory, "pump-1", san=sans)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    first = device.certificate
    assert first is not None
    first.verify_directly_issued_by(ca.certificate())
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == sans
    assert device.enroll(server, REENROLL, with_certificate=True).status == 200
    second = device.certificate
    assert second is not None
    assert [serial for _, serial in ca.index()] == [
        f"{each.serial_number:x}" for each in (first, second)
    ]
    change = ledger.expect(issued=2)
    assert [each.details["issuer_id"] for each in change.events] == ["corp", "corp"]


def test_the_same_request_again_makes_no_second_call(server: RunningServer, ca: OutsideCA) -> None:
    device = Device(server.directory, "pump-2")
    body = device.body()
    assert device.enroll(server, ENROLL, password=PASSWORD, body=body).status == 200
    first, issued = device.certificate, len(ca.index())
    assert device.enroll(server, ENROLL, password=PASSWORD, body=body).status == 200
    assert device.certificate == first
    assert len(ca.index()) == issued


def certctl(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*server.program, *for_people(*arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_operator_sees_what_became_of_a_call(server: RunningServer, ca: OutsideCA) -> None:
    assert "No call of a CA outside is open" in certctl(server, "intents", "list").stdout
    (ca.directory / "ca.key").rename(ca.directory / "ca.key.away")
    try:
        device = Device(server.directory, "pump-3")
        answer = device.enroll(server, ENROLL, password=PASSWORD)
    finally:
        (ca.directory / "ca.key.away").rename(ca.directory / "ca.key")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    listed = certctl(server, "intents", "list", "--all").stdout
    [line] = [each for each in listed.splitlines() if "CN=pump-3" in each]
    assert "failed" in line
    shown = certctl(server, "intents", "show", line.split()[0])
    assert "request-id:" in shown.stdout
    assert "issuer corp" in shown.stdout
    assert certctl(server, "intents", "show", "absent").returncode == 3


def test_a_revocation_reaches_the_ca_by_itself(server: RunningServer, ca: OutsideCA) -> None:
    device = Device(server.directory, "pump-4")
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    assert device.certificate is not None
    serial = f"{device.certificate.serial_number:x}"
    assert ("V", serial) in ca.index()
    revoked = certctl(server, "certificates", "revoke", serial, "--reason", "keyCompromise")
    assert revoked.returncode == 0, revoked.stderr
    deadline = time.monotonic() + 20
    while ("R", serial) not in ca.index():
        assert time.monotonic() < deadline, server.log()[-2_000:]
        time.sleep(0.05)
    assert "job_failed" not in server.log(), "no CRL of a CA outside is made here"
    assert certctl(server, "events", "list").returncode == 0


def test_the_jobs_process_settles_what_was_never_answered(
    server: RunningServer, ca: OutsideCA
) -> None:
    device, calls = Device(server.directory, "pump-4"), len(ca.index())
    (ca.directory / "openssl.cnf").rename(ca.directory / "openssl.cnf.away")
    try:
        answer = device.enroll(server, ENROLL, password=PASSWORD)
    finally:
        (ca.directory / "openssl.cnf.away").rename(ca.directory / "openssl.cnf")
    assert (answer.status, len(ca.index())) == (503, calls)
    assert "pump-4" in certctl(server, "intents", "list").stdout
    pass_deadlines(server)
    settled = wait_intent(server, "pump-4", IntentStatus.FAILED)
    assert settled.note == "the CA knows of no certificate"
    assert server.log_events("intents_reconciled")
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200


def test_a_ca_that_was_exchanged_refuses_the_start(
    server: RunningServer, ca: OutsideCA, tmp_path: Path
) -> None:
    other = outside_ca(tmp_path / "other")
    files = ca.directory / "ca.pem", other.directory / "ca.pem"
    server.stop()
    kept = files[0].read_bytes()
    files[0].write_bytes(files[1].read_bytes())
    try:
        ended = certctl(server, "serve")
        assert ended.returncode == 2
        assert "the store knows the CA" in ended.stderr + ended.stdout
    finally:
        files[0].write_bytes(kept)
        server.start()
