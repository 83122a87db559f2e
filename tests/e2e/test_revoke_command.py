"""``certctl-server certificates revoke``: beside a running server and without one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.domain.certificates import CertificateStatus
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.records import Ledger, Refused
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
RENEW = "/.well-known/est/corp/simplereenroll"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic,mtls",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
        "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
    }
    with configured_server(tmp_path, settings) as running:
        yield running


def revoke(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *for_people("certificates", "revoke", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def enrolled(server: RunningServer, directory: Path) -> tuple[Device, str]:
    device = Device(directory)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    assert device.certificate is not None
    return device, f"{device.certificate.serial_number:x}"


def test_revoked_beside_a_running_server_is_refused_at_once(server: RunningServer, tmp_path: Path):
    device, serial = enrolled(server, tmp_path)
    digits = serial.upper().zfill(40)
    colons = ":".join(digits[i : i + 2] for i in range(0, 40, 2))

    done = revoke(server, colons, "--reason", "keyCompromise")

    assert done.returncode == 0, done.stderr
    assert "revoked: keyCompromise" in done.stdout
    refused = Refused(
        action=AuditAction.AUTH_FAILED_MTLS,
        reason="revoked",
        counter=Counter.AUTH_FAILED_MTLS,
        profile="corp",
    )
    ledger = Ledger(server, path=ENROLL)
    answer = device.enroll(server, RENEW, with_certificate=True)
    assert answer.status == 401
    assert b"revoked" in answer.body
    records = server.records()
    (record,) = records.with_serial(serial)
    events = [each.event for each in records.events(limit=1000)]
    records.close()
    assert record.status is CertificateStatus.REVOKED
    told = [each for each in events if each.action is AuditAction.CERTIFICATE_REVOKED]
    assert [(each.resource_id, each.details["reason"]) for each in told] == [
        (record.id, "keyCompromise")
    ]
    assert told[0].actor.startswith("host:")
    ledger.marks = 0
    ledger.expect(refused)


def test_the_first_revocation_stands_and_only_a_hold_gives_way(
    server: RunningServer, tmp_path: Path
):
    _, serial = enrolled(server, tmp_path)
    assert revoke(server, serial, "--reason", "certificateHold").returncode == 0
    assert "revoked: superseded" in revoke(server, serial, "--reason", "superseded").stdout

    again = revoke(server, serial, "--reason", "keyCompromise")

    assert again.returncode == 0
    assert "was revoked already: superseded" in again.stdout


def test_revoked_while_no_server_runs(server: RunningServer, tmp_path: Path):
    device, serial = enrolled(server, tmp_path)
    server.stop()

    assert revoke(server, serial).returncode == 0

    server.start()
    assert device.enroll(server, RENEW, with_certificate=True).status == 401


def test_what_is_not_on_record_or_no_number_is_told(server: RunningServer):
    unknown = revoke(server, "0123456789abcdef")
    assert (unknown.returncode, "0123456789abcdef" in unknown.stderr) == (3, True)
    assert revoke(server, "device-1").returncode == 2
    assert revoke(server, "1234", "--reason", "removeFromCRL").returncode == 2
