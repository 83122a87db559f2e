"""Somebody sets the clock by an hour beneath a running server, and back, either way first."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.device import Device, certificates_of
from tests.harness.faults import CompilerMissing, ShiftedClock
from tests.harness.http import basic
from tests.harness.nodes import command
from tests.harness.raw import Answer, RawClient, new_source, post
from tests.harness.receiver import Receiver, receiver
from tests.harness.records import all_events
from tests.harness.server import RunningServer, configured_server

HOUR = 3_600
SHIFTS = (HOUR, 0, -HOUR, 0)
BACKDATE = 300
FAILURES = 10
LIMITED = "127.0.0.77"
"""Where the device comes from whose certificates are counted: the limit is by address too."""
PASSWORD = "corp-password-0001"
PATH = "/.well-known/est/corp/"
WAIT_SECONDS = 30.0
LATE_SECONDS = 30
"""How long ago, at most, something was that has just happened on a busy machine."""


@dataclass
class World:
    server: RunningServer
    clock: ShiftedClock
    hook: Receiver
    directory: Path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("clock")
    clock = ShiftedClock(directory)
    try:
        preloaded = clock.environment
    except CompilerMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    secret = directory / "webhook.secret"
    secret.write_text("4f1d7e0c2b5a49d8936e-planted-key\n")
    with receiver() as hook:
        settings = _settings(hook, secret)
        server = configured_server(directory, settings)
        server.environment |= preloaded
        with server:
            yield World(server, clock, hook, directory)


def _settings(hook: Receiver, secret: Path) -> Mapping[str, str]:
    infix = "EST_PROFILE_CORP_"
    return {
        "WORKERS": "1",
        "EST_PROFILES": "corp",
        f"{infix}ISSUER_ID": "iss-local",
        f"{infix}ALLOWED_AUTH_MODES": "basic,mtls",
        f"{infix}MTLS_OWN_ONLY": "true",
        f"{infix}ENROLLMENT_PASSWORD": PASSWORD,
        f"{infix}RATE_LIMIT_PER_PRINCIPAL_24H": str(1 + len(SHIFTS)),
        "WEBHOOKS": "ops",
        "WEBHOOK_OPS_URL": hook.url,
        "WEBHOOK_OPS_SECRET_FILE": str(secret),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "PUBLIC_URL": "https://localhost",
    }


@pytest.mark.timeout(180)
def test_an_hour_forth_and_back_and_the_other_way_round(here: World) -> None:
    server, before = here.server, 0
    pids = server.processes()
    device = Device(here.directory, "meter-1")
    _issued(here, device, shift=0)
    for number, shift in enumerate(SHIFTS, start=1):
        locked = _locked_out(here) if shift < before else ""
        # One made while the clock is set would have the wrong time, and be made again.
        _is_told(server, "crl_published", number)
        here.clock.set(shift)
        _step_is_told(server, number, shift - before)
        _issued(here, device, shift=shift)
        if locked:
            # Set back, the clock opens no door that was shut.
            assert _post(server, PASSWORD, source=locked).status == 429
        _sealed_anew(here)
        before = shift
    assert _post(server, PASSWORD, name="meter-1", source=LIMITED).status == 429, "a new window"
    assert _post(server, PASSWORD, name="meter-2", source=LIMITED).status == 200
    assert server.processes() == pids
    _trail_is_in_order(server)
    assert not server.log_events("job_failed")
    assert "Traceback" not in server.log()


def _issued(here: World, device: Device, *, shift: int) -> None:
    """By password and by certificate; valid from what the clock says; others are told."""
    answer = _post(here.server, PASSWORD, name=device.common_name, source=LIMITED)
    assert answer.status == 200, answer.text
    device.certificate = certificates_of(answer.body)[0]
    _valid_from_now(device.certificate, shift)
    other = Device(here.directory, f"renewing{shift}-{time.monotonic_ns()}")
    assert other.enroll(here.server, PATH + "simpleenroll", password=PASSWORD).status == 200
    renewed = other.enroll(here.server, PATH + "simplereenroll", with_certificate=True)
    assert renewed.status == 200, renewed.text
    assert other.certificate is not None
    serials = {f"{each.serial_number:x}" for each in (device.certificate, other.certificate)}
    here.hook.wait(
        lambda posts: serials <= {str(each.event["data"].get("serial")) for each in posts}
    )


def _valid_from_now(certificate: x509.Certificate, shift: int) -> None:
    now = time.time() + shift
    began = certificate.not_valid_before_utc.timestamp()
    assert now - BACKDATE - LATE_SECONDS <= began <= now - BACKDATE + 1


def _locked_out(here: World) -> str:
    source = new_source()
    for _ in range(FAILURES):
        assert _post(here.server, "wrong", source=source).status == 401
    assert _post(here.server, PASSWORD, source=source).status == 429
    return source


def _is_told(server: RunningServer, event: str, number: int) -> list[dict[str, object]]:
    deadline = time.monotonic() + WAIT_SECONDS
    while len(told := server.log_events(event)) < number:
        assert time.monotonic() < deadline, server.log()[-3_000:]
        time.sleep(0.05)
    return told


def _step_is_told(server: RunningServer, number: int, seconds: int) -> None:
    told = _is_told(server, "clock_stepped", number)
    assert len(told) == number
    assert abs(int(str(told[-1]["seconds"])) - seconds) <= 1


def _sealed_anew(here: World) -> None:
    """The jobs go on: what was issued just now gets its seal, and not an hour later."""
    last = all_events(here.server)[-1].seq
    deadline = time.monotonic() + 3 * WAIT_SECONDS
    records = here.server.records()
    try:
        while True:
            seals = records.checkpoints(limit=1_000)
            if seals and seals[-1].heads[0].seq >= last:
                return
            assert time.monotonic() < deadline, here.server.log()[-3_000:]
            time.sleep(0.2)
    finally:
        records.close()


def _trail_is_in_order(server: RunningServer) -> None:
    events = [each.event for each in all_events(server)]
    assert all(one.time_us <= two.time_us for one, two in itertools.pairwise(events))
    held = [each for each in events if "clock" in each.details]
    assert held, "the clock was behind the trail for a while"
    for each in held:
        said = datetime.fromisoformat(str(each.details["clock"])).timestamp()
        assert each.time_us / 1e6 - said > HOUR / 2
    proved = command(server, "audit", "verify")
    assert proved.returncode == 0, proved.stdout + proved.stderr


def _post(
    server: RunningServer, password: str, *, name: str = "meter-9", source: str | None = None
) -> Answer:
    device = Device(server.directory, name)
    line = "Authorization: " + basic("device", password)["Authorization"]
    with RawClient(server, source=source or new_source()) as client:
        client.send(post(PATH + "simpleenroll", device.csr().public_bytes(Encoding.DER), line))
        return client.answer()
