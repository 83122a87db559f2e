"""``certctl-server profiles``: beside a running server and without one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction
from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.records import all_events
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "a password of the test"
ENROLL = "/.well-known/est/iot/simpleenroll"
CSRATTRS = "/.well-known/est/iot/csrattrs"
SECONDS = 15.0


@pytest.fixture
def server(tmp_path: Path) -> RunningServer:
    """Not started; its EST profile names a certificate profile that only the store has."""
    (tmp_path / "data").mkdir(mode=0o700)
    return configured_server(
        tmp_path,
        {
            "EST_PROFILES": "iot",
            "EST_PROFILE_IOT_ISSUER_ID": "iss-local",
            "EST_PROFILE_IOT_PROFILE_ID": "cp",
            "EST_PROFILE_IOT_ENROLLMENT_PASSWORD": PASSWORD,
        },
    )


def command(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *for_people("profiles", *arguments)],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def put(server: RunningServer, text: str, name: str = "cp.toml") -> str:
    path = server.directory / name
    path.write_text(text)
    done = command(server, "put", str(path))
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(holds: Callable[[], bool]) -> None:
    """It holds in every worker: several times in a row say so."""
    deadline = time.monotonic() + SECONDS
    row = 0
    while row < 6:
        row = row + 1 if holds() else 0
        assert time.monotonic() < deadline


def test_rules_put_into_the_store_hold_at_once_and_csrattrs_follow(
    server: RunningServer, tmp_path: Path
) -> None:
    assert put(server, 'name = "first"') == "cp  kept as version 1\n"
    with server:

        def enroll() -> int:
            return Device(tmp_path, "pump-1").enroll(server, ENROLL, password=PASSWORD).status

        assert enroll() == 200
        before = fetch(server, "GET", CSRATTRS).body
        changed = 'required_csr_attributes = ["deviceSerialNumber"]'
        assert put(server, changed) == "cp  kept as version 2\n"
        # From the commit on the authority obeys it; csrattrs follow within a second.
        assert enroll() == 400
        until(lambda: fetch(server, "GET", CSRATTRS).body != before)
        put(server, "enabled = false")
        until(lambda: enroll() == 503)
        until(lambda: fetch(server, "GET", CSRATTRS).status == 503)
        put(server, "")
        until(lambda: enroll() == 200)
        events = [each.event for each in all_events(server)]
    changes = [
        (event.resource_id, event.details["change"], event.details["version"])
        for event in events
        if event.action is AuditAction.CONFIG_CHANGED
        and event.resource_type == "certificate_profile"
    ]
    assert changes == [("cp", "put", number) for number in (1, 2, 3, 4)]


def test_a_profile_in_use_is_not_deleted(server: RunningServer) -> None:
    put(server, "")
    put(server, "", "spare.toml")
    for _ in range(2):  # without a server, and then beside one
        refused = command(server, "delete", "cp")
        assert refused.returncode == 1
        assert 'in use by EST profile "iot"' in refused.stderr
        if not server.ca_file.exists():
            server.start()
    assert command(server, "delete", "spare").stdout == "spare  deleted\n"
    assert command(server, "delete", "spare").returncode == 3
    assert "cp  store, version 1" in command(server, "list").stdout
    assert command(server, "show", "cp").stdout == "{}\n"
    assert command(server, "show", "spare").returncode == 3
    server.stop()


def test_faults_are_told_and_nothing_is_kept(server: RunningServer) -> None:
    path = server.directory / "cp.toml"
    path.write_text("max_sans = -1\nmust_stapel = true\n")
    done = command(server, "put", str(path))
    assert done.returncode == 2
    assert "max_sans" in done.stderr
    assert "did you mean must_staple?" in done.stderr
    assert command(server, "put", str(server.directory / "absent.toml")).returncode == 2
    assert not server.database.exists()
