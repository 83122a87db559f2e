"""What systemd hears from a server it started (sd_notify), and the unit that is shipped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.server import PROGRAM, configured_server

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "certctl.service"
WAIT_SECONDS = 30.0
SETTINGS = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_MTLS_OWN_ONLY": "true",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls",
}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(WAIT_SECONDS)
        yield listening


def until(manager: socket.socket, wanted: str) -> list[str]:
    """Messages up to the first one with this line."""
    heard: list[str] = []
    while not heard or wanted not in heard[-1].splitlines():
        heard.append(manager.recv(4096).decode())
    return heard


def heard(manager: socket.socket) -> str:
    """The next message, empty when none comes."""
    try:
        return manager.recv(4096).decode()
    except TimeoutError:
        return ""


def fill(address: Path) -> None:
    """Until the manager's queue takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(BlockingIOError):
        sender.connect(str(address))
        while True:
            sender.send(b"STATUS=of somebody else", socket.MSG_DONTWAIT)


def test_the_service_manager_hears_ready_alive_reloading_and_stopping(
    tmp_path: Path, manager: socket.socket
) -> None:
    server = configured_server(tmp_path, SETTINGS)
    server.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    with server:
        before = until(manager, "READY=1")
        assert "STATUS=serving with 2 workers" in before[-1]
        until(manager, "WATCHDOG=1")
        until(manager, "WATCHDOG=1")
        server.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in until(manager, "RELOADING=1")[-1]
        until(manager, "READY=1")
        assert server.stop() == 0
    assert until(manager, "STOPPING=1")


def test_a_stopped_supervisor_gives_no_sign_of_life(tmp_path: Path, manager: socket.socket) -> None:
    server = configured_server(tmp_path, SETTINGS)
    server.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    with server:
        until(manager, "WATCHDOG=1")
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            manager.settimeout(0.5)
            # What was sent before it stopped is read, then comes nothing more.
            assert "" in [heard(manager) for _ in range(20)]
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        manager.settimeout(WAIT_SECONDS)
        until(manager, "WATCHDOG=1")


def test_another_process_s_watchdog_is_not_answered(tmp_path: Path, manager: socket.socket) -> None:
    server = configured_server(tmp_path, SETTINGS)
    server.environment |= {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "100000",
        "WATCHDOG_PID": "1",
    }
    with server:
        until(manager, "READY=1")
        assert server.stop() == 0
    assert until(manager, "STOPPING=1") == ["STOPPING=1\nSTATUS=stopping"]


def test_a_service_manager_that_does_not_listen_stops_nothing(
    tmp_path: Path, manager: socket.socket
) -> None:
    server = configured_server(tmp_path, SETTINGS)
    server.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000"}
    with server:
        until(manager, "READY=1")
        fill(tmp_path / "notify")
        (worker, *_) = server.processes()["worker"]
        os.kill(worker, signal.SIGKILL)
        # Restarted by a supervisor that still hears and acts.
        while worker in server.processes()["worker"] or len(server.processes()["worker"]) < 2:
            time.sleep(0.01)
        assert server.stop() == 0


def test_a_service_manager_that_went_away_stops_nothing(tmp_path: Path) -> None:
    server = configured_server(tmp_path, SETTINGS)
    server.environment |= {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "100000"}
    with server:
        assert server.stop() == 0


def test_systemd_accepts_the_unit_and_calls_it_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "certctl.service"
    unit.write_text(UNIT.read_text().replace("/opt/certctl/.venv/bin/certctl-server", PROGRAM))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    # It also reads units that are installed here, and has words about some of them.
    ours = [line for line in verified.stderr.splitlines() if "certctl" in line]
    assert (verified.returncode, ours) == (0, [])
    subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
        check=True,
        capture_output=True,
    )
