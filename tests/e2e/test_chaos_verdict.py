"""The verdict of the chaos tests is worth what it finds: each kind of damage must be seen."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from tests.chaos.load import Ledger, applicant
from tests.chaos.verdict import Received, judge
from tests.harness.device import Device
from tests.harness.server import RunningServer, quickstart_server

DEVICES = 2
TWICE = """
INSERT INTO certificates
SELECT '0', status, not_before_us, not_after_us, issued_us, zeroblob(32), zeroblob(20),
    issuer_id, profile, subject_key, subject_der, san_der, certificate_profile, principal,
    auth_mode, subject, sans, key_algorithm, spki_sha256, source, source_address, tls_version,
    channel_binding, renews, revoked_us, revocation_reason, tenant, csr_sha256, der, csr_der
FROM certificates WHERE source = 'EST' LIMIT 1"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    directory = tmp_path_factory.mktemp("verdict")
    with quickstart_server(directory) as server:
        caller = applicant(server, Ledger())
        for number in range(DEVICES):
            caller.ask(caller.enrollment(Device(directory, common_name=f"device-{number}")))
        server.stop()
    return server


@pytest.fixture
def database(stopped: RunningServer, tmp_path: Path) -> Path:
    copy = tmp_path / "copy.db"
    copy.write_bytes(stopped.database.read_bytes())
    copy.chmod(0o600)
    return copy


def test_sound_books_are_not_blamed(database: Path) -> None:
    verdict, books = judge(database, ())
    assert verdict.problems == []
    assert len(books.certificates) == DEVICES + 1, "and the demonstration device"


def test_a_certificate_that_is_not_on_record_is_lost(database: Path) -> None:
    _, books = judge(database, ())
    record = books.certificates[0]
    received = Received(csr_sha256=record.csr_sha256, certificate=record.der, serial=record.serial)
    assert judge(database, [received])[0].problems == []
    other = dataclasses.replace(received, certificate=record.der[:-1] + b"\0")
    verdict, _ = judge(database, [received, other])
    assert (verdict.lost, verdict.doubled) == (1, 1)


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("DELETE FROM audit_events WHERE seq = 2", "/2: is missing"),
        ("DELETE FROM audit_events WHERE seq = 1", "/1: is missing"),
        (
            "DELETE FROM audit_events WHERE action = 'est_simple_enroll_success'",
            "certificates without their event",
        ),
        ("UPDATE audit_events SET source_address = '::1' WHERE seq = 2", "/2: was changed"),
        ("DELETE FROM certificates WHERE source = 'EST'", "events without their certificate"),
        ("UPDATE counters SET n = n + 1", "counters that differ"),
        ("UPDATE certificates SET serial = randomblob(20)", "name another serial"),
        (
            TWICE,
            "requests with two certificates on record",
        ),
    ],
)
def test_damage_is_seen(database: Path, damage: str, seen: str) -> None:
    _damage(database, damage)
    assert any(seen in problem for problem in judge(database, ())[0].problems)


def _damage(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    try:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        changed = connection.execute(statement).rowcount
        connection.commit()
    finally:
        connection.close()
    assert changed > 0, "the damage did nothing"
