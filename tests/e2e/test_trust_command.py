"""``certctl-server trust``: what is in force, and a reload that says what came of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.pki import ForeignCA
from tests.harness.records import all_events
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

FACTORY = ForeignCA("factory")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "corp,pass",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls",
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(
            FACTORY.bundle(tmp_path / "corp.pem")
        ),
        "EST_PROFILE_PASS_ISSUER_ID": "iss-local",
        "EST_PROFILE_PASS_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_PASS_ENROLLMENT_PASSWORD": "pass-secret-0001",
    }
    with configured_server(tmp_path, settings) as running:
        yield running


def trust(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *for_people("trust", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def events(server: RunningServer):
    recorded = [each.event for each in all_events(server)]
    return [each for each in recorded if each.action is AuditAction.TRUST_ANCHOR_RELOADED]


def test_a_reload_tells_what_changed_and_names_the_operator(server: RunningServer, tmp_path: Path):
    fresh = ForeignCA("new-works")
    fresh.bundle(tmp_path / "corp.pem")
    assert "has changed since" in trust(server, "list").stdout

    done = trust(server, "reload", "--profile", "corp")

    assert done.returncode == 0, done.stderr
    assert "corp: reloaded; 1 anchor from" in done.stdout
    assert "+ CN=new-works (sha256 " in done.stdout
    assert "- CN=factory (sha256 " in done.stdout
    device = fresh.equip(Device(tmp_path))
    (event,) = events(server)
    assert event.actor.startswith("host:")
    assert event.details["reloaded_by"] == event.actor
    listed = trust(server, "list").stdout
    assert "CN=new-works" in listed
    assert "factory" not in listed
    assert "has changed" not in listed
    again = trust(server, "reload")
    assert (again.returncode, "nothing has changed" in again.stdout) == (0, True)
    path = "/.well-known/est/corp/simpleenroll"
    assert device.enroll(server, path, with_certificate=True).status == 200


def test_a_bad_bundle_is_refused_with_its_reason_and_listed_so(
    server: RunningServer, tmp_path: Path
):
    pem = FACTORY.certificate.public_bytes(Encoding.PEM)
    (tmp_path / "corp.pem").write_bytes(pem + pem[:200])

    done = trust(server, "reload", "--profile", "corp")

    assert done.returncode == 5
    assert "cut off" in done.stderr
    assert str(tmp_path / "corp.pem") in done.stderr
    assert "remedy: " in done.stderr
    assert events(server) == []
    listed = trust(server, "list").stdout
    assert "CN=factory" in listed
    assert "was refused: something in it is cut off" in listed
    (told,) = json.loads(trust(server, "list", "--json").stdout)["data"]
    assert (told["path_id"], told["path"]) == ("corp", str(tmp_path / "corp.pem"))
    (anchor,) = told["anchors"]
    assert anchor["serial"] == f"{FACTORY.certificate.serial_number:x}"
    assert (anchor["issuer"], anchor["expired"]) == ("CN=factory", False)


def test_what_cannot_be_reloaded_is_told(server: RunningServer):
    unknown = trust(server, "reload", "--profile", "nowhere")
    assert (unknown.returncode, "nowhere" in unknown.stderr) == (3, True)
    without = trust(server, "reload", "--profile", "pass")
    assert (without.returncode, "has no trust bundle" in without.stderr) == (5, True)
    server.stop()
    stopped = trust(server, "reload", "--profile", "corp")
    assert (stopped.returncode, "no server is running" in stopped.stderr) == (1, True)
    assert "no server runs here" in trust(server, "list").stdout
    assert events(server) == []
