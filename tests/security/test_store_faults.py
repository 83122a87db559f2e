"""The store away: full or read-only disk, damaged file, a second server, a taken port."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.harness.http import basic
from tests.harness.raw import RawClient, post
from tests.harness.records import certificate_count
from tests.harness.server import RunningServer, configured_server, quickstart_server
from tests.security.enrollment import (
    first_device_enrolled,
    refuses_to_start,
)
from tests.security.survival import assert_survives, enroll
from tests.unit.wire import forge

ONE_WORKER = {"CERTCTL_WORKERS": "1"}
SETTINGS = {"EST_ISSUER_ID": "iss-local", "WORKERS": "1"}
DISK = "16m"
PASSWORD = "corp-password-0001"
CORP = {
    "WORKERS": "1",
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
}


def may_mount() -> bool:
    """Root outside of a container that forbids it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


needs_mount = pytest.mark.skipif(
    not may_mount(), reason="mounting a small disk needs root and CAP_SYS_ADMIN"
)


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(filler: Path) -> None:
    """Take every last octet of the disk."""
    with filler.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    with quickstart_server(tmp_path, environment=ONE_WORKER) as server:
        first_device_enrolled(server)
        yield server


@needs_mount
def test_full_disk_is_503_and_recovers(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        directory = tmp_path / "elsewhere"
        directory.mkdir()
        (directory / "demo").symlink_to(disk)
        with quickstart_server(directory, environment=ONE_WORKER) as server:
            first_device_enrolled(server)
            filler = disk / "filler"
            assert_survives(server, lambda: fill(filler), filler.unlink)


def test_file_size_limit_is_503_and_recovers(running: RunningServer) -> None:
    """The same without a mount: the authority may not let any file grow."""
    (authority,) = running.processes()["authority"]
    kept = resource.prlimit(authority, resource.RLIMIT_FSIZE)
    assert_survives(
        running,
        lambda: resource.prlimit(authority, resource.RLIMIT_FSIZE, (4_096, kept[1])),
        lambda: resource.prlimit(authority, resource.RLIMIT_FSIZE, kept),
    )


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    server = configured_server(tmp_path, CORP)
    server.log_file = Path("/dev/full")
    server.launch()
    server.log_file = tmp_path / "server.log"  # nobody can read the other to its end
    server.log_file.touch()
    try:
        server.wait_ready()
        pids = server.processes()
        line = "Authorization: " + basic("device", PASSWORD)["Authorization"]
        wrong = "Authorization: " + basic("device", "wrong")["Authorization"]
        for number, (password, status) in enumerate([(wrong, 401), (line, 200)]):
            csr = forge.request(subject=forge.name((forge.CN, f"device-{number}")))
            with RawClient(server) as client:
                client.send(post("/.well-known/est/corp/simpleenroll", csr, password))
                assert client.answer().status == status
        assert server.processes() == pids
    finally:
        code = server.stop()
    assert code == 0


@needs_mount
def test_read_only_data_directory_is_refused(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        server = configured_server(tmp_path, SETTINGS | {"DATA_DIR": str(disk / "data")})
        server.database = disk / "data" / "certctl.db"
        server.ca_file = disk / "data" / "ca-iss-local.pem"
        with server:
            pass
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert str(disk / "data") in refuses_to_start(server)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        with server:
            assert certificate_count(server) >= 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_directory_without_permission_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    server = configured_server(tmp_path, SETTINGS | {"DATA_DIR": str(closed / "data")})
    assert str(closed) in refuses_to_start(server)


def overwrite(path: Path, *, at: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "another file": lambda path: path.write_bytes(b"not a database\n" * 1_000),
    "header overwritten": lambda path: overwrite(path, at=0, octets=bytes(100)),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "schema overwritten": lambda path: overwrite(path, at=100, octets=b"\xff" * 3_900),
    "a folder": folder_instead,
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    server = quickstart_server(tmp_path_factory.mktemp("stopped"), environment=ONE_WORKER)
    with server:
        first_device_enrolled(server)
    return server


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_database_is_refused(
    stopped: RunningServer, damage: Callable[[Path], object]
) -> None:
    """Said clearly; neither mended in silence nor replaced by an empty one."""
    whole = stopped.database.read_bytes()
    damage(stopped.database)
    left = stopped.database.read_bytes() if stopped.database.is_file() else None
    try:
        text = refuses_to_start(stopped)
        assert str(stopped.database) in text
        assert left is None or stopped.database.read_bytes() == left
    finally:
        if stopped.database.is_dir():
            stopped.database.rmdir()
        stopped.database.write_bytes(whole)
        stopped.database.chmod(0o600)


def test_exposed_database_is_refused(stopped: RunningServer) -> None:
    stopped.database.chmod(0o644)
    try:
        assert "chmod" in refuses_to_start(stopped)
    finally:
        stopped.database.chmod(0o600)


def test_database_of_a_newer_version_is_refused(stopped: RunningServer) -> None:
    """A downgrade would write what the newer version no longer understands."""
    whole = stopped.database.read_bytes()
    with closing(sqlite3.connect(stopped.database)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    try:
        text = refuses_to_start(stopped)
        assert "9999" in text
        assert "newer" in text
    finally:
        stopped.database.write_bytes(whole)


@pytest.mark.parametrize("kept", [0, 40, 200, -30])
def test_half_written_bundle_is_refused(stopped: RunningServer, tmp_path: Path, kept: int) -> None:
    """A trust bundle cut anywhere opens nothing to nobody: the server does not start."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes((stopped.ca_file.read_bytes() * 2)[:kept])
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "mtls",
        "EST_PROFILE_CORP_MTLS_ENABLED": "true",
        "EST_PROFILE_CORP_MTLS_CLIENT_CA_TRUST_BUNDLE_PATH": str(bundle),
    }
    assert str(bundle) in refuses_to_start(configured_server(tmp_path, settings))


# A second server.


def test_second_server_on_the_same_directory_is_refused(running: RunningServer) -> None:
    second = quickstart_server(running.directory, environment=ONE_WORKER)
    assert second.port != running.port
    text = refuses_to_start(second)
    assert str(running.database.parent) in text
    assert enroll(running, 1).status == 200


def test_second_server_on_the_same_database_is_refused(
    running: RunningServer, tmp_path: Path
) -> None:
    """Another data directory, the same SQLite file: the file's own lock says no."""
    url = f"sqlite:///{running.database}"
    second = configured_server(tmp_path, SETTINGS | {"DATABASE_URL": url})
    text = refuses_to_start(second)
    assert f"{running.database} is in use by another server" in text
    assert not (tmp_path / "data" / "ca-iss-local.key").exists()
    assert enroll(running, 1).status == 200


def test_port_of_another_program_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        text = refuses_to_start(quickstart_server(tmp_path, port=port))
    assert f"port {port}" in text
    assert "--port" in text


def test_port_of_another_server_is_refused(running: RunningServer, tmp_path: Path) -> None:
    """Workers share their port, but two servers must not: devices would meet either CA."""
    second = configured_server(tmp_path / "second", SETTINGS, port=running.port)
    (tmp_path / "second").mkdir()
    assert f"port {running.port}" in refuses_to_start(second)
    for number in range(8):
        assert enroll(running, number).status == 200


def test_a_stale_lock_and_socket_stop_nobody(tmp_path: Path) -> None:
    """After ``kill -9`` of all its processes the next start finds its leavings and serves."""
    server = quickstart_server(tmp_path, environment=ONE_WORKER)
    with server:
        first_device_enrolled(server)
        for pids in server.processes().values():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        server.process.wait()
    (tmp_path / "demo" / "ready").unlink(missing_ok=True)
    with server:
        assert enroll(server, 1).status == 200
