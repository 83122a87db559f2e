"""``certctl-server certificates``: found, held, released, imported, revoked in bulk."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import IMPORTED_PROFILE, CertificateFilter, WantedStatus
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "corp-password-0001"
NOW = 4_000_000_000_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"EST_PROFILES": "corp,iot"}
    for name in ("CORP", "IOT"):
        settings |= {
            f"EST_PROFILE_{name}_ISSUER_ID": "iss-local",
            f"EST_PROFILE_{name}_ALLOWED_AUTH_MODES": "basic,mtls",
            f"EST_PROFILE_{name}_ENROLLMENT_PASSWORD": PASSWORD,
            f"EST_PROFILE_{name}_MTLS_OWN_ONLY": "true",
        }
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


def run(server: RunningServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *for_people("certificates", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(server: RunningServer, *arguments: object, code: int = 0) -> Any:
    done = run(server, *arguments, "--output", "json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def enrolled(server: RunningServer, directory: Path, name: str, profile: str) -> Device:
    device = Device(directory, common_name=name)
    path = f"/.well-known/est/{profile}/simpleenroll"
    assert device.enroll(server, path, password=PASSWORD).status == 200
    return device


def renews(server: RunningServer, device: Device, profile: str) -> int:
    path = f"/.well-known/est/{profile}/simplereenroll"
    return device.enroll(server, path, with_certificate=True).status


def serial_of(device: Device) -> str:
    assert device.certificate is not None
    return f"{device.certificate.serial_number:x}"


def events(server: RunningServer, action: AuditAction, after: int) -> list[AuditEvent]:
    return [each.event for each in all_events(server, after=after) if each.event.action is action]


def newest_event(server: RunningServer) -> int:
    return all_events(server)[-1].seq


def test_found_by_every_way_and_shown_with_its_history(server: RunningServer, tmp_path: Path):
    device = enrolled(server, tmp_path, "finder-1", "corp")
    first = serial_of(device)
    assert renews(server, device, "corp") == 200
    second = serial_of(device)

    listed = answer(server, "list", "--cn", "FINDER-*", "--status", "valid", "--limit", 1)
    assert len(listed["data"]) == 1
    after = answer(
        server, "list", "--cn", "FINDER-*", "--status", "valid", "--limit", 1,
        "--cursor", listed["next_cursor"],
    )  # fmt: skip
    assert {listed["data"][0]["serial"], after["data"][0]["serial"]} == {first, second}
    (found,) = answer(server, "search", first.upper())["data"]
    assert (found["subject"], found["status"], found["profile"]) == (
        "CN=finder-1",
        "valid",
        "corp",
    )
    shown = answer(server, "show", second)
    assert [each["serial"] for each in shown["renewal_history"]] == [first]
    assert [each["action"] for each in shown["audit"]] == ["est_simple_reenroll_success"]
    assert x509.load_pem_x509_certificate(shown["pem"].encode()) == device.certificate
    table = run(server, "show", found["id"])
    assert table.returncode == 0, table.stderr
    for part in ("finder-1", second, "est_simple_enroll_success", "BEGIN CERTIFICATE"):
        assert part in table.stdout


def test_what_cannot_be_meant_is_told(server: RunningServer):
    assert run(server, "list", "--cursor", "AAAA").returncode == 2
    assert run(server, "list", "--expires-before", "tomorrow").returncode == 2
    assert run(server, "list", "--fingerprint", "abc").returncode == 2
    assert run(server, "show", "0123456789").returncode == 3
    assert "No certificate" in run(server, "list", "--cn", "nobody").stdout


def test_a_hold_refuses_and_its_release_opens_at_once(server: RunningServer, tmp_path: Path):
    device = enrolled(server, tmp_path, "held-1", "corp")
    serial = serial_of(device)
    assert run(server, "revoke", serial, "--reason", "certificateHold").returncode == 0
    assert renews(server, device, "corp") == 401
    (held,) = answer(server, "list", "--status", "hold", "--cn", "held-1")["data"]
    assert held["revocation_reason"] == "certificateHold"
    before = newest_event(server)

    done = run(server, "release", serial)

    assert (done.returncode, "released" in done.stdout) == (0, True), done.stderr
    assert renews(server, device, "corp") == 200
    (told,) = events(server, AuditAction.CERTIFICATE_RELEASED, before)
    assert (told.resource_id, told.actor.startswith("host:")) == (held["id"], True)
    again = run(server, "release", serial)
    assert (again.returncode, "not on hold: it is valid" in again.stderr) == (1, True)


def test_what_is_revoked_for_good_is_not_released(server: RunningServer, tmp_path: Path):
    serial = serial_of(enrolled(server, tmp_path, "held-2", "corp"))
    assert run(server, "revoke", serial, "--reason", "certificateHold").returncode == 0
    assert run(server, "revoke", serial, "--reason", "keyCompromise").returncode == 0
    refused = run(server, "release", serial)
    assert (refused.returncode, "keyCompromise" in refused.stderr) == (1, True)


def test_bulk_revocation_touches_what_fits_and_is_of_est(server: RunningServer, tmp_path: Path):
    devices = [enrolled(server, tmp_path, f"bulk-{n}", "iot") for n in range(3)]
    bystander = enrolled(server, tmp_path, "bystander", "corp")
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(_foreign(3))
    assert answer(server, "import", foreign, "--issuer", "old") == {
        "imported": 3,
        "duplicates": 0,
        "bad": 0,
    }
    imported = _imported(server)
    run(server, "revoke", serial_of(devices[0]), "--reason", "superseded")
    before = newest_event(server)
    criteria = ("--reason", "keyCompromise", "--profile", "iot")

    counted = answer(server, "bulk-revoke", *criteria, "--dry-run")

    assert counted == {
        "total_matched": 3,
        "total_revoked": 0,
        "total_skipped": 1,
        "total_failed": 0,
        "errors": [],
        "dry_run": True,
    }
    assert newest_event(server) == before
    assert run(server, "bulk-revoke", *criteria).returncode == 2  # nobody to ask
    assert newest_event(server) == before

    done = answer(server, "bulk-revoke", *criteria, "--yes")

    assert (done["total_revoked"], done["total_skipped"]) == (2, 1)
    (told,) = events(server, AuditAction.BULK_REVOKE, before)
    assert told.details["actor"] == told.actor
    assert (told.details["profile"], told.details["reason"]) == ("iot", "keyCompromise")
    each = events(server, AuditAction.CERTIFICATE_REVOKED, before)
    assert {event.details["serial"] for event in each} == {serial_of(d) for d in devices[1:]}
    assert {event.details["operation"] for event in each} == {told.resource_id}
    assert [renews(server, device, "iot") for device in devices] == [401, 401, 401]
    assert renews(server, bystander, "corp") == 200
    new_key_is_needed = Device(tmp_path, common_name="bulk-1", key=devices[1].key)
    path = "/.well-known/est/iot/simpleenroll"
    assert new_key_is_needed.enroll(server, path, password=PASSWORD).status != 200

    # Named by id, and by the issuer they say: still not of EST.
    ids = [part for one in imported for part in ("--id", one)]
    named = answer(server, "bulk-revoke", "--reason", "superseded", "--yes", *ids, code=1)
    assert (named["total_revoked"], named["total_failed"]) == (0, 3)
    external = ("--issuer", "external:old")
    by_issuer = answer(server, "bulk-revoke", "--reason", "superseded", "--yes", *external)
    assert by_issuer["total_matched"] == 0
    assert _imported(server, WantedStatus.VALID) == imported

    again = answer(server, "bulk-revoke", *criteria, "--yes")
    assert (again["total_revoked"], again["total_skipped"]) == (0, 3)


def test_empty_criteria_are_refused(server: RunningServer):
    before = newest_event(server)
    for criteria in ((), ("--tenant", ""), ("--issuer", "")):
        refused = run(server, "bulk-revoke", "--reason", "superseded", "--yes", *criteria)
        assert refused.returncode == 2
    assert newest_event(server) == before


def test_what_is_bad_is_named_and_nothing_is_imported(server: RunningServer, tmp_path: Path):
    good = _foreign(1)
    mixed, none = tmp_path / "mixed.pem", tmp_path / "none.pem"
    bad = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    mixed.write_bytes(good + bad + good)
    none.write_text("no certificate")
    before = newest_event(server)

    refused = run(server, "import", mixed, none, tmp_path / "absent.pem")

    assert refused.returncode == 1
    assert "mixed.pem: certificate 2: " in refused.stderr
    assert "none.pem" in refused.stderr
    assert "absent.pem" in refused.stderr
    assert newest_event(server) == before
    done = answer(server, "import", mixed, none, "--skip-bad")
    assert done == {"imported": 1, "duplicates": 1, "bad": 2}
    (told,) = events(server, AuditAction.CERTIFICATE_IMPORTED, before)
    assert told.actor.startswith("host:")
    again = answer(server, "import", mixed, "--skip-bad")
    assert again == {"imported": 0, "duplicates": 2, "bad": 1}


def test_a_certificate_of_our_own_ca_is_known_by_its_signature(
    server: RunningServer, tmp_path: Path
):
    device = enrolled(server, tmp_path, "ours-1", "corp")
    assert device.certificate is not None
    der = tmp_path / "two.der"
    der.write_bytes(device.certificate.public_bytes(Encoding.DER) + _der(_foreign(1)))
    assert answer(server, "import", der, "--issuer", "old") == {
        "imported": 1,
        "duplicates": 1,
        "bad": 0,
    }
    (found,) = answer(server, "search", serial_of(device))["data"]
    assert (found["source"], found["issuer_id"]) == ("EST", "iss-local")


def test_an_imported_certificate_can_be_revoked_by_itself(server: RunningServer, tmp_path: Path):
    file = tmp_path / "one.pem"
    file.write_bytes(_foreign(1))
    answer(server, "import", file)
    serial = f"{x509.load_pem_x509_certificate(file.read_bytes()).serial_number:x}"
    assert run(server, "revoke", serial).returncode == 0
    (found,) = answer(server, "list", "--source", "API", "--serial", serial)["data"]
    assert (found["status"], found["profile"]) == ("revoked", IMPORTED_PROFILE)


def _imported(server: RunningServer, status: WantedStatus | None = None) -> list[str]:
    records = server.records()
    wanted = CertificateFilter(source=CertificateSource.API, status=status)
    page = records.search(wanted, NOW if status is None else 1)
    records.close()
    return [row.id for row in page.rows]


def _foreign(number: int) -> bytes:
    authority = ForeignCA("Old CA")
    found = b""
    for n in range(number):
        device = authority.equip(Device(Path(), common_name=f"foreign-{n}"))
        assert device.certificate is not None
        found += device.certificate.public_bytes(Encoding.PEM)
    return found


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
