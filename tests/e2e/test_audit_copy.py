"""AUDIT_COPY beside a real server: what is cut off in the database, the copy still has."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certctl.wire.audit_lines import CheckpointLine, EventLine, find_line
from tests.harness.commands import run_command
from tests.harness.device import Device
from tests.harness.server import RunningServer, configured_server

PASSWORD = "corp-password-0001-planted"
ENROLL = "/.well-known/est/corp/simpleenroll"
WAIT_SECONDS = 30.0
SETTINGS = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    "WORKERS": "1",
}


def enroll(server: RunningServer, name: str, *, password: str = PASSWORD) -> int:
    return Device(server.directory, name).enroll(server, ENROLL, password=password).status


def wait_until(done: Callable[[], bool], server: RunningServer) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


def places(path: Path) -> list[int]:
    """Seq of each event in the copy, in its order."""
    if not path.exists():
        return []
    lines = map(find_line, path.read_bytes().splitlines())
    return [line.event.seq for line in lines if isinstance(line, EventLine)]


def last_seq(server: RunningServer) -> int:
    records = server.records()
    try:
        return records.chain_heads()[0].seq
    finally:
        records.close()


def is_copied(server: RunningServer, *paths: Path) -> Callable[[], bool]:
    return lambda: last_seq(server) in [seq for path in paths for seq in places(path)]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A stopped server whose copy was rotated once, and which was restarted once."""
    directory = tmp_path_factory.mktemp("copied")
    copy, old = directory / "copy", directory / "copy.1"
    with configured_server(directory, SETTINGS | {"AUDIT_COPY": f"file:{copy}"}) as server:
        assert enroll(server, "one") == 200
        assert enroll(server, "two", password="wrong-password-planted") == 401
        wait_until(
            lambda: any(
                isinstance(find_line(line), CheckpointLine)
                for line in (copy.read_bytes().splitlines() if copy.exists() else ())
            ),
            server,
        )
        wait_until(is_copied(server, copy), server)
        copy.rename(old)
        server.process.send_signal(signal.SIGHUP)
        assert enroll(server, "three") == 200
        wait_until(is_copied(server, copy), server)
        assert server.stop() == 0
        server.start()
        assert enroll(server, "four") == 200
        assert enroll(server, "five") == 200
        wait_until(is_copied(server, copy), server)
        assert server.stop() == 0
        yield server


def test_everything_is_copied_in_order_and_nothing_twice_without_need(copied: RunningServer):
    seqs = places(copied.directory / "copy.1") + places(copied.directory / "copy")
    assert seqs == list(range(1, last_seq(copied) + 1))


def test_no_secret_is_in_it(copied: RunningServer):
    for name in ("copy", "copy.1"):
        octets = (copied.directory / name).read_bytes()
        assert b"planted" not in octets
        assert b"PRIVATE" not in octets


def verify(server: RunningServer, *files: str, database: Path | None = None) -> tuple[int, str]:
    options = [word for name in files for word in ("--copy", str(server.directory / name))]
    changed = {"DATABASE_URL": f"sqlite:///{database}"} if database else {}
    done = run_command(server, "audit", "verify", "--output", "table", *options, settings=changed)
    return done.returncode, done.stdout + done.stderr


def test_a_tail_cut_off_after_the_last_seal_is_found(copied: RunningServer, tmp_path: Path):
    code, said = verify(copied, "copy.1", "copy")
    assert (code, said[:5]) == (0, "whole")

    cut = tmp_path / "cut.db"
    shutil.copyfile(copied.database, cut)
    cut.chmod(0o600)
    with closing(sqlite3.connect(cut, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_events_no_delete")
        (last,) = connection.execute("SELECT max(seq) FROM audit_events").fetchone()
        connection.execute("DELETE FROM audit_events WHERE seq = ?", (last,))
    assert verify(copied, database=cut)[0] == 0, "by itself it looks whole"
    code, said = verify(copied, "copy.1", "copy", database=cut)
    assert code == 8
    assert f"/{last}: was kept elsewhere and is missing here" in said


def test_a_damaged_copy_is_named(copied: RunningServer):
    bad = copied.directory / "bad"
    bad.write_bytes((copied.directory / "copy").read_bytes().replace(b'"seq":', b'"seq:', 1))
    code, said = verify(copied, "bad")
    assert code == 8
    assert "bad line 1: cannot be read" in said


def test_what_a_restore_lost_is_told_by_the_copy(copied: RunningServer, tmp_path: Path):
    backup = tmp_path / "b.backup"
    assert run_command(copied, "backup", str(backup)).returncode == 0
    lost = last_seq(copied) + 1
    with copied:
        assert enroll(copied, "after-the-backup") == 200
        wait_until(is_copied(copied, copied.directory / "copy"), copied)
        assert copied.stop() == 0
    (tmp_path / "new").mkdir()
    restored = configured_server(tmp_path / "new", SETTINGS)
    assert run_command(restored, "restore", str(backup)).returncode == 0
    done = run_command(
        restored,
        "audit",
        "verify",
        *("--copy", str(copied.directory / "copy.1"), "--copy", str(copied.directory / "copy")),
    )
    assert done.returncode == 8
    assert f"/{lost}: was kept elsewhere and is missing here, or differs" in done.stderr
    assert "a backup was restored here, see event" in done.stderr


def test_a_collector_that_reads_nothing_holds_nobody_up(tmp_path: Path):
    """Its connection is open and its windows are full: enrollment does not notice."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        target = {"AUDIT_COPY": f"syslog:tcp://127.0.0.1:{port}"}
        with configured_server(tmp_path, SETTINGS | target) as server:
            held, _ = listener.accept()
            for number in range(30):
                assert enroll(server, f"device-{number}") == 200
            wait_until(lambda: bool(server.log_events("audit_copy_away")), server)
            # It reads at last, also on the new connections: all of it, some of it twice.
            seqs: set[int] = set()
            reading = threading.Thread(target=_collect, args=(listener, held, seqs), daemon=True)
            reading.start()
            wait_until(lambda: seqs == set(range(1, last_seq(server) + 1)), server)
            wait_until(lambda: bool(server.log_events("audit_copy_back")), server)


def _collect(listener: socket.socket, connection: socket.socket, seqs: set[int]) -> None:
    while True:
        with connection, connection.makefile("rb") as stream:
            while octets := _message(stream.read):
                line = find_line(octets)
                if isinstance(line, EventLine):
                    seqs.add(line.event.seq)
        try:
            connection, _ = listener.accept()
        except OSError:
            return


def _message(read: Callable[[int], bytes]) -> bytes:
    digits = b""
    while (octet := read(1)) not in (b" ", b""):
        digits += octet
    return read(int(digits)) if digits else b""
