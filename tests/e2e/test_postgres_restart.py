"""PostgreSQL is restarted, stopped and started again beneath a server that enrolls."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import AuditAction, Counter
from tests.conftest import private_postgres
from tests.harness.device import Device, certificates_of
from tests.harness.http import basic, fetch
from tests.harness.metrics import from_port, until
from tests.harness.nodes import command, node
from tests.harness.postgres import PASSWORD as DATABASE_PASSWORD
from tests.harness.postgres import PrivatePostgres
from tests.harness.records import all_events
from tests.harness.server import RunningServer, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
SETTINGS = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
}
CLIENTS = 4
WAIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def database() -> Iterator[PrivatePostgres]:
    """One of our own: the session's must not be restarted."""
    yield from private_postgres()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, database: PrivatePostgres
) -> Iterator[RunningServer]:
    settings = SETTINGS | {"WORKERS": "2", "METRICS_PORT": str(free_port())}
    with node(tmp_path_factory.mktemp("restart"), database.migrated(), settings) as running:
        yield running


@dataclass
class Fleet:
    """Devices that enroll without a pause and send the same request again until it is granted."""

    server: RunningServer
    directory: Path
    granted: list[x509.Certificate] = field(default_factory=list)
    statuses: Tally[int] = field(default_factory=Tally)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._enough = threading.Event()
        self._changed = threading.Condition()
        self._name = secrets.token_hex(4)
        self._threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()

    def wait(self, status: int, more: int) -> None:
        """Until so many more answers of this status have come."""
        with self._changed:
            wanted = self.statuses[status] + more
            came = self._changed.wait_for(lambda: self.statuses[status] >= wanted, WAIT_SECONDS)
        assert came, (self.statuses, self.server.log()[-3_000:])

    def _run(self, number: int) -> None:
        try:
            count = 0
            while not self._enough.is_set():
                count += 1
                self._enroll(Device(self.directory, f"{self._name}-{number}-{count}"))
        except Exception as fault:  # noqa: BLE001 - told to the test
            self.faults.append(repr(fault))

    def _enroll(self, device: Device) -> None:
        body = base64.encodebytes(device.csr().public_bytes(Encoding.DER))
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            answer = fetch(
                self.server,
                "POST",
                ENROLL,
                body=body,
                headers={"Content-Type": "application/pkcs10"} | basic("device", PASSWORD),
            )
            with self._changed:
                self.statuses[answer.status] += 1
                self._changed.notify_all()
            if answer.status == 200:
                self.granted += certificates_of(answer.body)[:1]
                return
            headers = {name.lower(): value for name, value in answer.headers.items()}
            if answer.status != 503 or not 1 <= int(headers["retry-after"]) <= 60:
                raise AssertionError(f"{answer.status} {answer.text}")
            assert time.monotonic() < deadline, "never granted"


def judge(server: RunningServer, fleet: Fleet) -> None:
    """Nothing lost, nothing doubled, and the trail agrees."""
    assert fleet.faults == []
    assert set(fleet.statuses) <= {200, 503}
    records = server.records()
    kept: list[str] = []
    subjects: Tally[str] = Tally()
    after: str | None = None
    while page := records.certificates(after=after, limit=500):
        after = page[-1].id
        kept += [record.serial for record in page if record.profile == "corp"]
        subjects.update(record.subject for record in page if record.profile == "corp")
    counted = records.counts()
    records.close()
    received = {f"{each.serial_number:x}" for each in fleet.granted}
    assert received <= set(kept)
    assert [subject for subject, times in subjects.items() if times > 1] == []
    events = [each.event for each in all_events(server)]
    granted = [each for each in events if each.action is AuditAction.SIMPLE_ENROLL_SUCCESS]
    assert {each.details["serial"] for each in granted} == set(kept)
    assert counted["corp", Counter.SUCCESS_SIMPLEENROLL] == len(granted)
    proved = command(server, "audit", "verify")
    assert proved.returncode == 0, proved.stdout + proved.stderr


def test_restarted_under_load_it_goes_on_and_nothing_is_lost_or_doubled(
    server: RunningServer, database: PrivatePostgres, tmp_path: Path
) -> None:
    fleet = Fleet(server, tmp_path)
    for _ in range(3):
        fleet.wait(200, 20)
        database.restart("immediate")
    fleet.wait(200, 20)
    fleet.end()
    judge(server, fleet)


def test_stopped_it_answers_503_and_then_goes_on_by_itself(
    server: RunningServer, database: PrivatePostgres, tmp_path: Path
) -> None:
    pids = server.processes()
    fleet = Fleet(server, tmp_path)
    fleet.wait(200, 5)
    database.control("stop", "-m", "fast")
    fleet.wait(503, 20)
    port = int(server.environment["CERTCTL_METRICS_PORT"])
    away = from_port(port)
    assert away.total("certctl_store_up") == 0
    assert "certctl_est_requests" not in away.families
    assert away.total("certctl_workers") == away.total("certctl_workers_wanted") > 0
    # The worker that answers this may not have met it yet: it looks once a second.
    deadline = time.monotonic() + 5
    while (ready := fetch(server, "GET", "/ready")).status != 503:
        assert time.monotonic() < deadline, ready.body
    assert json.loads(ready.body)["parts"]["store"] is False
    database.start()
    fleet.wait(200, 20)
    back = until(lambda: from_port(port), lambda found: found.total("certctl_store_up") == 1)
    assert back.total("certctl_est_requests_total", label="success_simpleenroll") > 0
    fleet.end()
    judge(server, fleet)
    assert server.processes() == pids
    told = server.log_events("store_away")[-1]
    assert "connection" in str(told["problem"])
    assert server.log_events("store_back")
    assert PASSWORD not in server.log()
    assert DATABASE_PASSWORD not in server.log()


def test_restarted_while_nobody_asks_it_refuses_nobody(
    server: RunningServer, database: PrivatePostgres, tmp_path: Path
) -> None:
    database.restart("fast")
    device = Device(tmp_path, "late")
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200


def test_a_server_that_is_up_before_its_database_waits_for_it(
    database: PrivatePostgres, tmp_path: Path
) -> None:
    """As after a power failure; and who does not want to wait ends it."""
    early = node(tmp_path / "early", database.migrated(), SETTINGS)
    database.control("stop", "-m", "fast")
    try:
        try:
            early.launch()
            early.wait_logged("start_waits")
            assert early.stop() == 0
            early.launch()
            early.wait_logged("start_waits", 2)
            # Later ones may say that it is starting.
            waits = early.log_events("start_waits")
        finally:
            database.start()
        early.wait_ready()
        assert Device(tmp_path, "patient").enroll(early, ENROLL, password=PASSWORD).status == 200
    finally:
        if early.process.poll() is None:
            early.stop()
    assert len(waits) == 2
    for told in waits:
        assert told["child"] == "authority"
        assert "refused" in str(told["problem"])
        assert DATABASE_PASSWORD not in str(told)
