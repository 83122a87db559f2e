"""kill -9 of the authority around a call of a CA outside: nothing doubled, nothing lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from certctl.authority.calls import AT_ONCE
from certctl.authority.verify import verify
from certctl.domain.audit import AuditAction
from certctl.domain.intent import IntentStatus
from tests.harness.device import Device
from tests.harness.http import Response, fetch
from tests.harness.outside import OutsideCA, intents, outside_ca, reconcile, wait_intent
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server

PASSWORD = "killed-password-01"
WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.02
OPEN = IntentStatus.OPEN


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutsideCA]:
    made = outside_ca(tmp_path_factory.mktemp("outside") / "corp")
    yield made
    made.open()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ca: OutsideCA) -> Iterator[RunningServer]:
    """Profile ``demo`` at a CA that can find, ``blind`` at the same CA that cannot."""
    settings = {"ISSUERS": "iss-local,corp,blind", "EST_PROFILES": "demo,blind", "WORKERS": "1"}
    for profile, issuer in (("DEMO", "corp"), ("BLIND", "blind")):
        settings[f"EST_PROFILE_{profile}_ISSUER_ID"] = issuer
        settings[f"EST_PROFILE_{profile}_ALLOWED_AUTH_MODES"] = "basic"
        settings[f"EST_PROFILE_{profile}_ENROLLMENT_PASSWORD"] = PASSWORD
    settings |= ca.settings("corp", timeout="60s") | ca.settings("blind", find=False)
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        yield running


def ask(
    server: RunningServer, device: Device, body: bytes, profile: str = "demo"
) -> Response | None:
    path = f"/.well-known/est/{profile}/simpleenroll"
    try:
        return device.enroll(server, path, password=PASSWORD, body=body)
    except OSError:
        return None


def poll(server: RunningServer, device: Device, body: bytes, profile: str = "demo") -> str:
    """Serial number of what the same request gets in the end."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        answer = ask(server, device, body, profile)
        if answer is not None and answer.status == 200:
            assert device.certificate is not None
            return f"{device.certificate.serial_number:x}"
        assert answer is None or answer.status in (202, 503), answer.text
        time.sleep(PAUSE_SECONDS)
    raise AssertionError("no certificate")


def kill_authority(server: RunningServer) -> None:
    """Until another one serves."""
    [killed] = server.processes()["authority"]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            alive = server.processes().get("authority", [])
            if killed not in alive and alive and fetch(server, "GET", "/ready").status == 200:
                return
        time.sleep(PAUSE_SECONDS)
    raise AssertionError(server.log())


def assert_books(server: RunningServer, ca: OutsideCA, serial: str) -> None:
    """On record once, at the CA once; the audit chain holds."""
    records = server.records()
    try:
        found = records.certificates(limit=1_000)
    finally:
        records.close()
    assert [each.serial for each in found].count(serial) == 1
    assert [each for _, each in ca.index()].count(serial) == 1
    events = all_events(server)
    verify((), events, keys={})
    granted = [each.event for each in events if each.event.details.get("serial") == serial]
    assert sum("repeated" not in each.details for each in granted) == 1


def test_killed_while_the_program_runs(server: RunningServer, ca: OutsideCA) -> None:
    ca.mood("gate; good")
    device, issued, calls = Device(server.directory, "during"), len(ca.index()), ca.calls()
    body = device.body()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, server, device, body)
        ca.wait_calls(calls + 1)
        kill_authority(server)
        answer = waiting.result(WAIT_SECONDS)
        assert answer is None or answer.status == 503
    again = ask(server, device, body)
    assert again is not None
    assert again.status == 202
    ca.open()
    ca.wait_issued(issued + 1)
    assert reconcile(server).asked == 1
    serial = poll(server, device, body)
    assert ca.calls() == calls + 1
    assert len(ca.index()) == issued + 1
    assert_books(server, ca, serial)


def test_killed_after_the_signature_before_its_record(server: RunningServer, ca: OutsideCA) -> None:
    ca.mood("good > $here/answer; touch $here/signed; gate; cat $here/answer")
    device, issued, calls = Device(server.directory, "signed"), len(ca.index()), ca.calls()
    body = device.body()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, server, device, body)
        while not (ca.directory / "signed").exists():
            time.sleep(PAUSE_SECONDS)
        kill_authority(server)
        waiting.result(WAIT_SECONDS)
    intent = wait_intent(server, "signed", OPEN)
    [authority] = server.processes()["authority"]
    assert not intent.owner.endswith(f"/{authority}")
    records = server.records()
    assert intent.id not in {each.renews for each in records.certificates(limit=1_000)}
    records.close()
    assert reconcile(server).asked == 1
    serial = poll(server, device, body)
    ca.open()
    assert ca.calls() == calls + 1
    assert len(ca.index()) == issued + 1
    assert_books(server, ca, serial)


def test_killed_between_intent_and_call(server: RunningServer, ca: OutsideCA) -> None:
    """As many calls as run at once fill all places: the next one is an intent and no call."""
    ca.mood("gate; good")
    calls, issued = ca.calls(), len(ca.index())
    others = [Device(server.directory, f"place-{number}") for number in range(AT_ONCE)]
    device = Device(server.directory, "between")
    body = device.body()
    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        waiting = [threads.submit(ask, server, each, each.body()) for each in others]
        ca.wait_calls(calls + AT_ONCE)
        waiting.append(threads.submit(ask, server, device, body))
        wait_intent(server, "between", OPEN)
        kill_authority(server)
        for each in waiting:
            each.result(WAIT_SECONDS)
    assert ca.calls() == calls + AT_ONCE
    ca.open()
    ca.wait_issued(issued + AT_ONCE)
    assert reconcile(server).asked == AT_ONCE + 1
    failed = wait_intent(server, "between", IntentStatus.FAILED)
    assert "knows of no certificate" in failed.note
    for number in range(AT_ONCE):
        wait_intent(server, f"place-{number}", IntentStatus.ISSUED)
    serial = poll(server, device, body)
    assert ca.calls() == calls + AT_ONCE + 1
    assert_books(server, ca, serial)


def test_killed_where_the_ca_cannot_tell(server: RunningServer, ca: OutsideCA) -> None:
    ca.mood("gate; good")
    device, issued, calls = Device(server.directory, "untold"), len(ca.index()), ca.calls()
    body = device.body()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ask, server, device, body, "blind")
        ca.wait_calls(calls + 1)
        kill_authority(server)
        waiting.result(WAIT_SECONDS)
    ca.open()
    ca.wait_issued(issued + 1)
    _, unknown = ca.index()[-1]
    assert reconcile(server).lost == 1
    lost = wait_intent(server, "untold", IntentStatus.LOST)
    told = [each.event for each in all_events(server) if each.event.resource_id == lost.id]
    assert [each.action for each in told] == [AuditAction.INTENT_LOST]
    ca.mood()
    serial = poll(server, device, body, "blind")
    assert serial != unknown
    assert_books(server, ca, serial)
    # What was issued meanwhile is on record as an order that was lost, not as a certificate.
    records = server.records()
    assert unknown not in {each.serial for each in records.certificates(limit=1_000)}
    records.close()
    assert len([each for each in intents(server) if each.key == lost.key]) == 2
