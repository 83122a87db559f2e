"""A disk whose fsync fails: nothing is issued meanwhile, nothing is lost, and it recovers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.load import Ledger, applicant
from tests.chaos.verdict import judge
from tests.harness.device import Device
from tests.harness.faults import CompilerMissing, FailingFsync
from tests.harness.records import certificate_count
from tests.harness.server import RunningServer, quickstart_server
from tests.security.enrollment import first_device_enrolled
from tests.security.survival import assert_survives, enroll


@dataclass
class Disk:
    server: RunningServer
    fsync: FailingFsync


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    directory = tmp_path_factory.mktemp("fsync")
    fsync = FailingFsync(directory, below=directory / "demo" / "data")
    try:
        environment = {"CERTCTL_WORKERS": "1"} | fsync.environment
    except CompilerMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    with quickstart_server(directory, environment=environment) as server:
        first_device_enrolled(server)
        yield Disk(server, fsync)


def test_failing_fsync_is_503_and_recovers(disk: Disk) -> None:
    assert_survives(disk.server, disk.fsync.on, disk.fsync.off)


def test_killed_while_fsync_fails_nothing_is_lost_or_doubled(disk: Disk, tmp_path: Path) -> None:
    """The log may hold commits that were answered 503: the same request finds them, once."""
    server, ledger = disk.server, Ledger()
    caller = applicant(server, ledger)
    requests = [caller.enrollment(Device(tmp_path, f"unsynced-{n}")) for n in range(6)]
    before = certificate_count(server)
    caller.ask(requests[0])
    disk.fsync.on()
    for request in requests[1:]:
        answer = caller.attempt(request)
        assert answer is not None
        assert answer.status == 503
        assert int({k.lower(): v for k, v in answer.headers.items()}["retry-after"]) > 0
    (authority,) = server.processes()["authority"]
    os.kill(authority, signal.SIGKILL)
    # Whether it may start on such a disk is its own affair; it must not issue.
    answer = caller.attempt(requests[1])
    assert answer is None or answer.status == 503
    disk.fsync.off()
    for request in requests:
        caller.ask(request)
    assert server.process.poll() is None
    assert enroll(server, 9).status == 200
    assert certificate_count(server) == before + len(requests) + 1
    _stopped_is_sound(disk, ledger)


def _stopped_is_sound(disk: Disk, ledger: Ledger) -> None:
    server = disk.server
    assert server.stop() == 0
    verdict, _ = judge(server.database, ledger.received)
    assert verdict.problems == []
    server.start()
