"""The auditor's proof on a real server's database: whatever is changed by SQL is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.command_lines import for_people
from tests.harness.device import Device
from tests.harness.server import PROGRAM, RunningServer, clean_environment, configured_server

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
SEAL_SECONDS = 20.0


def wait_for_checkpoints(server: RunningServer, number: int) -> None:
    deadline = time.monotonic() + SEAL_SECONDS
    while time.monotonic() < deadline:
        records = server.records()
        found = records.checkpoints(limit=number)
        records.close()
        if len(found) >= number:
            return
        time.sleep(0.1)
    raise AssertionError(f"no checkpoint {number}: {server.log()}")


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A stopped server with some events, sealed, and one event after the seal."""
    directory = tmp_path_factory.mktemp("trail")
    settings = {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    }
    with configured_server(directory, settings) as server:
        wait_for_checkpoints(server, 1)
        for number in range(4):
            device = Device(directory, f"device-{number}")
            assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
        assert server.stop() == 0
        yield server


def audit(
    server: RunningServer, *arguments: str, database: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = dict(server.environment)
    if database is not None:
        environment["CERTCTL_DATABASE_URL"] = f"sqlite:///{database}"
    return subprocess.run(
        [PROGRAM, *for_people("audit", *arguments)],
        env=clean_environment(environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def kept(trail: RunningServer) -> Path:
    """What was taken elsewhere before anybody changed anything."""
    taken = trail.directory / "kept.jsonl"
    assert audit(trail, "export", str(taken)).returncode == 0
    return taken


@pytest.fixture
def copy(trail: RunningServer, tmp_path: Path) -> Path:
    target = tmp_path / "certctl.db"
    shutil.copyfile(trail.database, target)
    target.chmod(0o600)
    return target


def tamper(database: Path, *statements: str) -> None:
    """As somebody with the file and without scruples: triggers go first."""
    connection = sqlite3.connect(database, isolation_level=None)
    for table in ("audit_events", "checkpoints"):
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_no_{verb}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    connection.close()


def node(database: Path) -> str:
    connection = sqlite3.connect(database)
    name = str(connection.execute("SELECT min(node) FROM audit_events").fetchone()[0])
    connection.close()
    return name


def test_an_untouched_trail_is_whole(trail: RunningServer):
    done = audit(trail, "verify")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("whole   6 events, 1 checkpoint\n")
    told = json.loads(audit(trail, "verify", "--output", "json").stdout)
    assert (told["whole"], told["events"], told["last_seal"]["number"]) == (True, 6, 1)
    assert "4 events came after it" in done.stdout


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["UPDATE audit_events SET actor = 'x' WHERE seq = 3"], "{node}/3: was changed"),
        (["UPDATE audit_events SET time_us = time_us + 1 WHERE seq = 1"], "{node}/1: was changed"),
        (["UPDATE audit_events SET details = '{}' WHERE seq = 2"], "{node}/2: was changed"),
        (["UPDATE audit_events SET action = 'nonsense' WHERE seq = 4"], "{node}/4: cannot be read"),
        (["UPDATE audit_events SET details = '{' WHERE seq = 5"], "{node}/5: cannot be read"),
        (["UPDATE audit_events SET tenant = 't' WHERE seq = 5"], "{node}/5: was changed"),
        (["DELETE FROM audit_events WHERE seq = 3"], "{node}/3: is missing"),
        (["DELETE FROM audit_events WHERE seq <= 2"], "{node}/1: is missing"),
        (["DELETE FROM audit_events"], "{node}/1: is missing, and the whole chain"),
        (
            [
                "UPDATE audit_events SET seq = 99 WHERE seq = 3",
                "UPDATE audit_events SET seq = 3 WHERE seq = 4",
                "UPDATE audit_events SET seq = 4 WHERE seq = 99",
            ],
            "{node}/3: does not follow",
        ),
        (
            [
                "UPDATE audit_events SET seq = seq + 100 WHERE seq >= 3",
                "UPDATE audit_events SET seq = seq - 99 WHERE seq >= 100",
                (
                    "INSERT INTO audit_events SELECT node, 3, id || 'x', time_us, actor,"
                    " actor_type, action, outcome, profile, resource_type, resource_id,"
                    " source_address, request_id, auth_mode, client_certificate_subject,"
                    " client_certificate_serial, tls_version, count, details, tenant,"
                    " previous_digest, digest"
                    " FROM audit_events WHERE seq = 2"
                ),
            ],
            "{node}/3: does not follow",
        ),
        (["UPDATE audit_events SET node = 'a' || node"], "a{node}/1: was changed"),
        (["DELETE FROM checkpoints WHERE number = 1"], None),
        (["UPDATE checkpoints SET made_us = made_us + 1"], "checkpoint 1: its signature"),
        (["UPDATE checkpoints SET signature = zeroblob(64)"], "checkpoint 1: its signature"),
        (["UPDATE checkpoints SET heads = '[]'"], "checkpoint 1: its signature"),
        (["UPDATE checkpoints SET heads = 'x'"], "a checkpoint after 0: cannot be read"),
        (["UPDATE checkpoints SET key_id = '00'"], "checkpoint 1: is signed by an unknown key"),
        (["UPDATE checkpoints SET number = 2"], "checkpoint 1: is missing"),
    ],
)
def test_what_was_changed_is_named(
    trail: RunningServer, copy: Path, kept: Path, statements: list[str], named: str | None
):
    name = node(copy)
    tamper(copy, *statements)

    done = audit(trail, "verify", "--kept", str(kept), database=copy)

    assert done.returncode == 8, done.stdout
    wanted = named.format(node=name) if named else "checkpoint 1: was kept elsewhere and is missing"
    assert wanted in done.stderr


def test_a_chain_rewritten_to_its_end_is_told_by_the_seal(trail: RunningServer, copy: Path):
    """Whoever can compute hashes still cannot sign."""
    from certctl.authority.audit import GENESIS, event_digest  # noqa: PLC0415
    from certctl.store.rows import recorded_event  # noqa: PLC0415

    name = node(copy)
    tamper(copy, "UPDATE audit_events SET actor = 'nobody' WHERE seq = 1")
    connection = sqlite3.connect(copy, isolation_level=None)
    previous = GENESIS
    for row in connection.execute("SELECT * FROM audit_events ORDER BY seq").fetchall():
        event = recorded_event(row)
        digest = event_digest(previous, event.id, event.node, event.seq, event.event)
        connection.execute(
            "UPDATE audit_events SET previous_digest = ?, digest = ? WHERE seq = ?",
            (previous, digest, event.seq),
        )
        previous = digest
    connection.close()

    done = audit(trail, "verify", database=copy)

    assert done.returncode == 8
    assert f"event {name}/2: is not the event that checkpoint 1 sealed" in done.stderr


def test_the_export_proves_itself_offline(trail: RunningServer, tmp_path: Path):
    exported = tmp_path / "trail.jsonl"
    public = str(trail.directory / "data" / "audit.pub")
    assert audit(trail, "export", str(exported)).returncode == 0
    assert audit(trail, "export", str(exported)).returncode == 1, "never overwritten"
    assert audit(trail, "verify", "--export", str(exported)).returncode == 2, "whose key?"

    good = audit(trail, "verify", "--export", str(exported), "--key", public)
    assert good.returncode == 0, good.stderr

    lines = exported.read_bytes().splitlines(keepends=True)
    damaged = {
        "cut": lines[:-1],
        "event gone": lines[:3] + lines[4:],
        "event changed": [*lines[:-2], lines[-2].replace(b"device-3", b"device-9"), lines[-1]],
        "checkpoint gone": lines[:1] + lines[2:],
        "not JSON": [*lines[:2], b"{\n", *lines[2:]],
        "line more": [*lines, lines[-1]],
        "empty": [],
    }
    for what, left in damaged.items():
        bad = tmp_path / "bad.jsonl"
        bad.write_bytes(b"".join(left))
        done = audit(trail, "verify", "--export", str(bad), "--key", public)
        assert done.returncode == 8, (what, done.stdout)


def test_sealing_goes_on_after_a_killed_jobs_process(tmp_path: Path):
    settings = {"EST_PROFILES": "open", "EST_PROFILE_OPEN_ISSUER_ID": "iss-local"}
    with configured_server(tmp_path, settings) as server:
        wait_for_checkpoints(server, 1)
        (jobs,) = server.processes()["jobs"]
        os.kill(jobs, signal.SIGKILL)
        # More than EVERY_EVENTS would take long to make: a missed minute is simulated by
        # nothing; that the process is back and holds its lease again is what counts.
        deadline = time.monotonic() + SEAL_SECONDS
        while server.processes().get("jobs", [jobs]) == [jobs]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert audit(server, "verify").returncode == 0
        records = server.records()
        jobs_seen = {lease.job: lease.outcome for lease in records.leases()}
        records.close()
    assert jobs_seen["checkpoint"] == "ok"


def test_an_exposed_audit_key_refuses_the_start(trail: RunningServer, tmp_path: Path):
    data = tmp_path / "data"
    shutil.copytree(trail.directory / "data", data, ignore=shutil.ignore_patterns("run"))
    (data / "audit.key").chmod(0o644)
    done = subprocess.run(
        [PROGRAM, "serve"],
        env=clean_environment(trail.environment | {"CERTCTL_DATA_DIR": str(data)}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "audit.key" in done.stderr
