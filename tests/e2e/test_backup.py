"""Backup beside a working server, and a restore that serves on from it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from certctl.domain.audit import AuditAction
from tests.harness.commands import command_of, data_of, run_command
from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.server import RunningServer, configured_server
from tests.security.test_store_faults import needs_mount, small_disk

ENROLL = "/.well-known/est/open/simpleenroll"
SETTINGS = {
    "EST_PROFILES": "open",
    "EST_PROFILE_OPEN_ISSUER_ID": "iss-local",
    "WORKERS": "1",
    "CRL_DEBOUNCE": "1s",
}
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with configured_server(tmp_path_factory.mktemp("backed-up"), SETTINGS) as server:
        assert enrolled(server, "first")
        yield server


@pytest.fixture(scope="module")
def taken(running: RunningServer) -> Path:
    """A backup, and no change of the server since."""
    target = running.directory / "taken.backup"
    done = run_command(running, "backup", str(target))
    assert done.returncode == 0, done.stderr
    return target


def enrolled(server: RunningServer, name: str) -> str:
    """Serial of the certificate, once it is answered."""
    device = Device(server.directory, name)
    assert device.enroll(server, ENROLL).status == 200
    assert device.certificate is not None
    return f"{device.certificate.serial_number:x}"


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".certctl-backup-*"))


@dataclass
class Load:
    """Enrolls one device after the other until it is told to stop."""

    server: RunningServer
    answered: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    many: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for number in itertools.count():
            if self.stopping.is_set():
                return
            self.answered.append(enrolled(self.server, f"load-{number}"))
            if number == 20:
                self.many.set()


def test_everything_answered_before_is_in_it_and_the_chain_goes_on(
    running: RunningServer, tmp_path: Path
):
    load = Load(running)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        assert load.many.wait(WAIT_SECONDS)
        before = list(load.answered)
        done = run_command(running, "backup", str(tmp_path / "load.backup"))
    finally:
        load.stopping.set()
        thread.join(WAIT_SECONDS)
    assert done.returncode == 0, done.stderr
    assert len(load.answered) > len(before), "the copy did not hold up enrolling"

    (tmp_path / "restored").mkdir()
    restored = configured_server(tmp_path / "restored", SETTINGS)
    put = run_command(restored, "restore", str(tmp_path / "load.backup"))
    assert put.returncode == 0, put.stderr
    with restored:
        records = restored.records()
        missing = [serial for serial in before if not records.with_serial(serial)]
        events = list(records.events(limit=10_000))
        records.close()
        assert missing == []
        assert [each.event.action for each in events if each.event.resource_type == "backup"] == [
            AuditAction.BACKUP_MADE,
            AuditAction.BACKUP_RESTORED,
        ]
        # The same CA serves on, and says so in one chain.
        assert restored.ca_file.read_bytes() == running.ca_file.read_bytes()
        assert enrolled(restored, "afterwards")
        whole = run_command(restored, "audit", "verify")
        assert whole.returncode == 0, whole.stderr


def test_it_is_one_private_file_with_a_manifest(running: RunningServer, taken: Path):
    assert stat.S_IMODE(taken.stat().st_mode) == 0o600
    assert leftovers(taken.parent) == []
    with tarfile.open(taken) as archive:
        names = archive.getnames()
        file = archive.extractfile("manifest")
        assert file is not None
        manifest = json.loads(file.read().partition(b"\n")[2])
    assert {"database", "files/ca-iss-local.key", "files/audit.key"} < set(names)
    assert not [name for name in names if "run/" in name or "-wal" in name or ".lock" in name]
    assert [part["name"] for part in manifest["parts"]] == names[1:]
    assert manifest["heads"][0]["seq"] > 0
    assert manifest["schema"]
    records = running.records()
    made = [
        each
        for each in records.events(limit=10_000)
        if each.event.action is AuditAction.BACKUP_MADE
    ]
    records.close()
    assert made[0].event.actor.startswith("host:")


def test_it_goes_through_pipes(running: RunningServer, tmp_path: Path):
    command, environment = command_of(running, "backup", "-")
    sent = subprocess.run(
        command, env=environment, cwd=running.directory, capture_output=True, check=True, timeout=60
    )
    assert leftovers(data_of(running)) == []
    command, environment = command_of(
        running, "restore", "-", settings={"DATA_DIR": str(tmp_path / "data")}
    )
    subprocess.run(command, env=environment, input=sent.stdout, check=True, timeout=60)
    assert (tmp_path / "data" / "certctl.db").exists()


def test_keys_alone_where_the_database_is_elsewhere(running: RunningServer, tmp_path: Path):
    target = tmp_path / "keys.backup"
    assert run_command(running, "backup", "--keys-only", str(target)).returncode == 0
    with tarfile.open(target) as archive:
        names = archive.getnames()
    assert "database" not in names
    assert "files/ca-iss-local.key" in names
    assert not [each for each in names if running.database.name in each]


def test_what_is_there_is_never_overwritten(running: RunningServer, taken: Path):
    before = taken.read_bytes()
    done = run_command(running, "backup", str(taken))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert taken.read_bytes() == before
    inside = run_command(running, "backup", str(data_of(running) / "b.backup"))
    assert inside.returncode == 1
    assert "inside the data directory" in inside.stderr
    onto = run_command(running, "restore", str(taken))
    assert onto.returncode == 1
    assert "is not empty" in onto.stderr


def test_a_full_disk_leaves_no_half_backup(running: RunningServer, tmp_path: Path):
    target = tmp_path / "full.backup"
    for octets in (8_192, 65_536, running.database.stat().st_size + 1_024):
        done = run_command(
            running, "backup", str(target), before=("prlimit", f"--fsize={octets}", "--")
        )
        assert done.returncode == 1, done.stderr
        assert "no backup was made" in done.stderr
        assert list(tmp_path.iterdir()) == []
    assert enrolled(running, "after-full")


@needs_mount
def test_a_disk_without_room_is_not_filled(running: RunningServer, tmp_path: Path):
    with small_disk(tmp_path / "disk") as disk:
        done = run_command(running, "backup", str(disk / "b.backup"))
        assert done.returncode == 1
        assert "MiB are needed" in done.stderr
        assert list(disk.iterdir()) == []


def test_killed_in_the_midst_it_leaves_no_file(running: RunningServer, tmp_path: Path):
    target = tmp_path / "killed.backup"
    command, environment = command_of(running, "backup", str(target))
    process = subprocess.Popen(command, env=environment, cwd=running.directory)
    deadline = time.monotonic() + WAIT_SECONDS
    while not leftovers(tmp_path):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait(WAIT_SECONDS)
    (left,) = leftovers(tmp_path)
    assert not target.exists()
    assert stat.S_IMODE(left.stat().st_mode) == 0o700

    # The next one clears it away, once it cannot be one that just begins.
    os.utime(left, (0, 0))
    assert run_command(running, "backup", str(target)).returncode == 0
    assert leftovers(tmp_path) == []


def test_a_restore_killed_in_the_midst_is_never_taken_for_a_server(taken: Path, tmp_path: Path):
    server = configured_server(tmp_path, SETTINGS)
    data = data_of(server)
    command, environment = command_of(server, "restore", "-")
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(taken.read_bytes()[:100_000])
    process.stdin.flush()
    deadline = time.monotonic() + WAIT_SECONDS
    while not (data / ".restore" / "database").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(WAIT_SECONDS)
    process.stdin.close()

    started = run_command(server, "serve")
    assert started.returncode == 2
    assert "a restore was cut short" in started.stderr
    again = run_command(server, "restore", str(taken))
    assert again.returncode == 1
    assert "was cut short" in again.stderr

    shutil.rmtree(data)
    assert run_command(server, "restore", str(taken)).returncode == 0
    with server:
        assert enrolled(server, "after-the-second-try")


def test_a_full_disk_restores_nothing(taken: Path, tmp_path: Path):
    server = configured_server(tmp_path, SETTINGS)
    done = run_command(server, "restore", str(taken), before=("prlimit", "--fsize=65536", "--"))
    assert done.returncode == 1, done.stderr
    assert "nothing was restored" in done.stderr
    assert not data_of(server).exists()


def test_no_crl_number_is_given_twice_because_of_a_restore(running: RunningServer, tmp_path: Path):
    serial = enrolled(running, "lost")
    # So that the backup holds a CRL to go on from.
    until(lambda: published(running) > 0)
    done = run_command(running, "backup", str(tmp_path / "early.backup"))
    assert done.returncode == 0, done.stderr
    at_backup = published(running)
    assert run_command(running, "certificates", "revoke", serial).returncode == 0
    until(lambda: published(running) > at_backup)
    after_backup = published(running)

    (tmp_path / "again").mkdir()
    restored = configured_server(tmp_path / "again", SETTINGS)
    put = run_command(restored, "restore", str(tmp_path / "early.backup"))
    assert put.returncode == 0, put.stderr
    with restored:
        until(lambda: published(restored) != at_backup)
        assert published(restored) > after_backup
        assert run_command(restored, "cert-check").returncode == 0


def published(server: RunningServer) -> int:
    """Number of the CRL that the server gives out; 0 where there is none yet."""
    answer = fetch(server, "GET", "/.well-known/pki/crl/iss-local")
    if answer.status != 200:
        return 0
    found = x509.load_der_x509_crl(answer.body)
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
