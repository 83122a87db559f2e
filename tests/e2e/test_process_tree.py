"""The tree of processes: who is there, who comes back, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.chaos.killer import TREE, Kind, Probe, Tree
from tests.chaos.load import EST, Ledger, applicant
from tests.chaos.verdict import judge, read_books
from tests.harness.device import Device, certificates_of
from tests.harness.http import basic, fetch, tls_context
from tests.harness.raw import HungUp, RawClient, crowd, head
from tests.harness.server import RunningServer, configured_server, quickstart_server

WORKERS = 2
# With one worker doing all the work, this many connections would all be one's own by
# chance once in 2**39 runs.
MANY = 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    running = quickstart_server(tmp_path, environment={"CERTCTL_WORKERS": str(WORKERS)})
    with running:
        yield running


def test_one_supervisor_has_one_authority_the_jobs_and_the_workers(server: RunningServer) -> None:
    tree = server.processes()
    assert {kind: len(pids) for kind, pids in tree.items()} == {
        "supervisor": 1,
        "authority": 1,
        "jobs": 1,
        "worker": WORKERS,
    }
    started = {str(each["child"]): each["pid"] for each in server.log_events("process_started")}
    assert {started["authority"]} == set(tree["authority"])
    assert {started["jobs"]} == set(tree["jobs"])
    assert {started["worker-1"], started["worker-2"]} == set(tree["worker"])


def test_the_children_take_no_core_from_one_another_when_they_wake(server: RunningServer) -> None:
    classes = {
        kind: {os.sched_getscheduler(pid) for pid in pids}
        for kind, pids in server.processes().items()
    }
    assert classes == {
        "supervisor": {os.SCHED_OTHER},
        "authority": {os.SCHED_BATCH},
        "jobs": {os.SCHED_BATCH},
        "worker": {os.SCHED_BATCH},
    }


def test_both_workers_serve_and_one_killed_leaves_the_other_s_clients_alone(
    server: RunningServer,
) -> None:
    context = tls_context(server.ca_file)
    clients = [RawClient(server, context=context) for _ in range(MANY)]
    with crowd(clients):
        assert all(_ready(client) for client in clients)
        os.kill(server.processes()["worker"][0], signal.SIGKILL)
        alive = [_ready(client) for client in clients]
    assert any(alive), "the other worker serves nobody"
    assert not all(alive), "the killed worker served nobody"


@pytest.mark.parametrize("kind", TREE)
def test_a_killed_process_is_back_and_the_records_go_on(
    server: RunningServer, kind: Kind, tmp_path: Path
) -> None:
    ledger = Ledger()
    caller = applicant(server, ledger)
    caller.ask(caller.enrollment(Device(tmp_path, common_name="before")))
    before = server.processes()
    probe = Probe(caller, Device(tmp_path, common_name="after"))
    recovery = Tree(server).kill(kind, min, probe, patient=True)
    after = server.processes()
    assert recovery.kind is kind
    killed = {pid for pids in before.values() for pid in pids} if kind is Kind.SUPERVISOR else set()
    killed.add(min(before[kind]))
    assert killed.isdisjoint(pid for pids in after.values() for pid in pids)
    if kind is not Kind.SUPERVISOR:
        survivors = {pid for pids in before.values() for pid in pids} - killed
        assert survivors < {pid for pids in after.values() for pid in pids}
        (ended,) = server.log_events("process_ended")
        assert (ended["child"], ended["exit_code"]) in {
            ("authority", -signal.SIGKILL),
            ("worker-1", -signal.SIGKILL),
            ("worker-2", -signal.SIGKILL),
            ("jobs", -signal.SIGKILL),
        }
    assert server.stop() == 0
    assert judge(server.database, ledger.received)[0].problems == []


def test_all_children_killed_at_once_again_and_again_come_back(
    server: RunningServer, tmp_path: Path
) -> None:
    caller = applicant(server, Ledger())
    tree = Tree(server)
    for number in range(5):
        children = [
            p for kind, pids in server.processes().items() if kind != "supervisor" for p in pids
        ]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        _wait_ended(children)
        tree.wait_whole()
        Probe(caller, Device(tmp_path, common_name=f"after-{number}")).wait_served()
    assert server.stop() == 0


def test_sigterm_finishes_what_has_begun_and_ends_with_0(
    server: RunningServer, tmp_path: Path
) -> None:
    caller = applicant(server, Ledger())
    context = tls_context(server.ca_file)
    devices = [Device(tmp_path, common_name=f"in-flight-{number}") for number in range(8)]
    bodies = [device.body() for device in devices]
    clients = [RawClient(server, context=context) for _ in devices]
    with crowd(clients):
        idle = RawClient(server, context=context)
        assert _ready(idle)
        for client, device, body in zip(clients, devices, bodies, strict=True):
            authorization = basic(device.common_name, caller.password)["Authorization"]
            client.send(
                head(
                    "POST",
                    f"{EST}/simpleenroll",
                    f"Authorization: {authorization}",
                    "Content-Type: application/pkcs10",
                    "Expect: 100-continue",
                    f"Content-Length: {len(body)}",
                )
            )
        # Now the server has begun each of them.
        assert [client.interim() for client in clients] == [100] * len(clients)
        server.process.send_signal(signal.SIGTERM)
        assert idle.rest() == b"", "an idle connection is closed at once"
        idle.close()
        given = []
        for client, body in zip(clients, bodies, strict=True):
            client.send(body)
            answer = client.answer()
            assert (answer.status, answer.closes) == (200, True)
            given += certificates_of(answer.body)
    assert server.process.wait(30) == 0
    recorded = {record.der for record in read_books(server.database).certificates}
    assert len(given) == len(devices)
    assert {certificate.public_bytes(Encoding.DER) for certificate in given} <= recorded
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(("127.0.0.1", server.port))


def test_ctrl_c_in_the_whole_group_is_an_orderly_end_too(server: RunningServer) -> None:
    tree = server.processes()
    for pid in [*tree["authority"], *tree["jobs"], *tree["worker"]]:
        os.kill(pid, signal.SIGINT)
    # Only the supervisor decides that it is over.
    assert [fetch(server, "GET", "/ready").status for _ in range(5)] == [200] * 5
    assert server.processes() == tree
    assert server.stop(signal.SIGINT) == 0
    assert not server.log_events("process_ended")


def test_a_restart_keeps_ca_records_and_first_device(server: RunningServer) -> None:
    demo = server.ca_file.parent.parent
    kept = [demo / "ca.pem", demo / "enrollment-password", demo / "admin-key"]
    kept += [demo / "device" / "device.crt", demo / "data" / "server.pem"]
    before = [path.read_bytes() for path in kept]
    cacerts = fetch(server, "GET", f"{EST}/cacerts").body
    assert server.stop() == 0
    books = read_books(server.database)
    server.start()
    assert fetch(server, "GET", f"{EST}/cacerts").body == cacerts
    assert [path.read_bytes() for path in kept] == before
    assert server.stop() == 0
    again = read_books(server.database)
    assert [each.id for each in again.certificates] == [each.id for each in books.certificates]
    assert len(books.certificates) == 1
    assert again.events[: len(books.events)] == books.events


def test_the_ready_file_is_there_only_while_it_is_true(server: RunningServer) -> None:
    ready = server.ready_file
    assert ready is not None
    assert json.loads(ready.read_text()) == {"url": server.url, "pid": server.process.pid}
    assert server.stop() == 0
    assert not ready.exists()
    # What a killed server leaves behind is gone as soon as the next one has the directory,
    # even if it is refused afterwards.
    ready.write_text("stale")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        server.launch()
        assert server.process.wait(30) == 2
    assert str(server.port) in server.log().splitlines()[-1]
    assert not ready.exists()


def test_a_second_quick_start_in_the_same_folder_is_refused_and_harms_nothing(
    server: RunningServer,
) -> None:
    ready = server.ready_file
    assert ready is not None
    second = quickstart_server(server.directory)
    second.log_file = server.directory / "second.log"
    second.launch()
    assert second.process.wait(30) == 2
    assert "another certctl-server is running" in second.log()
    assert json.loads(ready.read_text())["pid"] == server.process.pid
    assert fetch(server, "GET", "/ready").status == 200
    assert server.stop() == 0


def _ready(client: RawClient) -> bool:
    try:
        client.send(head("GET", "/ready"))
        return client.answer().status == 200
    except (HungUp, OSError):
        return False


def _wait_ended(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls",
    }
    running = configured_server(tmp_path, settings)
    # Every write to it fails with "no space left on device".
    running.log_file = Path("/dev/full")
    with running as server:
        killed = server.processes()["authority"][0]
        os.kill(killed, signal.SIGKILL)
        while server.processes().get("authority", [killed]) == [killed]:
            time.sleep(0.01)
        server.wait_ready()
        assert server.stop() == 0
