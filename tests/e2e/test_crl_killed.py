"""``kill -9`` of the jobs process while CRLs are made: every number keeps its one content."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.harness.device import Device
from tests.harness.published import (
    CRL_SECONDS,
    PlainPort,
    crl_number,
    eventually,
    publishing_settings,
    revoke,
)
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
DEVICES = 6


def kill_jobs(server: RunningServer) -> None:
    """And wait until the supervisor has another one there."""
    before = eventually(lambda: server.processes().get("jobs"), 5)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: server.processes().get("jobs", before) != before, 5)


def test_no_number_has_two_contents_and_the_next_run_heals(tmp_path: Path):
    plain = PlainPort(port=free_port())
    settings = publishing_settings(plain, PASSWORD) | {
        # Always one being made.
        "CRL_DEBOUNCE": "0s",
        "CRL_GENERATION_INTERVAL": "1s",
    }
    seen: dict[int, bytes] = {}

    def look() -> set[int]:
        crl = plain.crl()
        content = crl.tbs_certlist_bytes
        assert seen.setdefault(crl_number(crl), content) == content
        return {each.serial_number for each in crl}

    with configured_server(tmp_path, settings) as server:
        plain.settle()
        serials = set()
        for number in range(DEVICES):
            device = Device(tmp_path, f"device-{number}")
            assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
            assert device.certificate is not None
            revoke(server, device.certificate.serial_number)
            serials.add(device.certificate.serial_number)
            kill_jobs(server)
            look()
        # Nobody waits for the lease of the killed one.
        eventually(lambda: serials <= look(), CRL_SECONDS)
        records = server.records()
        record = records.crl("iss-local")
        records.close()
    assert record is not None
    assert record.number >= max(seen)
    assert len(seen) > 1
