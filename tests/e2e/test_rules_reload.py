"""Certificate profiles are read again on SIGHUP: all files, or none of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.domain.audit import AuditAction
from tests.harness.device import Device
from tests.harness.server import RunningServer, ruled_server, write_rules

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
CSRATTRS = "/.well-known/est/corp/csrattrs"
# Workers share the port by chance: so many requests reach both.
MANY = 12


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    }
    with ruled_server(tmp_path, settings, {"max_sans": 5}) as running:
        yield running


def statuses(server: RunningServer, stem: str) -> set[int]:
    return {
        Device(server.directory, f"{stem}-{n}").enroll(server, ENROLL, password=PASSWORD).status
        for n in range(MANY)
    }


def hang_up(server: RunningServer, event: str, times: int) -> None:
    """SIGHUP, and wait until that many processes have told of this event."""
    server.process.send_signal(signal.SIGHUP)
    server.wait_logged(event, times)
    time.sleep(0.2)


def changes(server: RunningServer) -> list[object]:
    records = server.records()
    events = [each.event for each in records.events(limit=1_000)]
    records.close()
    return [
        each.details["changed"]
        for each in events
        if each.action is AuditAction.CONFIG_CHANGED
        and each.resource_type == "certificate_profiles"
    ]


def test_changed_rules_are_enforced_at_once_and_told_once(server: RunningServer):
    assert statuses(server, "before") == {200}
    folder = server.directory / "certificate-profiles"
    write_rules(folder, {"required_subject_patterns": {"CN": "allowed-.*"}})
    hang_up(server, "certificate_profiles_reloaded", 1)

    assert statuses(server, "before-2") == {400}
    assert statuses(server, "allowed") == {200}
    assert changes(server) == [["ruled"]]


@pytest.mark.parametrize(
    "content",
    ["max_sans = ", "no_such_field = 1\n", 'allowed_ekus = ["nonsense"]\n', "enabled = false\n"],
)
def test_faulty_files_keep_the_old_rules_and_say_why(server: RunningServer, content: str):
    file = server.directory / "certificate-profiles" / "ruled.toml"
    file.write_text(content)
    hang_up(server, "certificate_profiles_reload_refused", 3)

    assert statuses(server, "still") == {200}
    assert changes(server) == []
    problem = str(server.log_events("certificate_profiles_reload_refused")[0]["problem"])
    assert "ruled" in problem
