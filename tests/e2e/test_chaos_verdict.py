"""The verdict of the chaos tests is worth what it finds: each kind of damage must be seen."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from certctl.authority.caller import AuthorityCaller
from certctl.authority.commands import RevocationDone, RevokeCertificate
from certctl.domain.audit import AuditAction
from certctl.domain.events import EventType
from certctl.domain.inventory import CertificateFilter
from certctl.domain.revocation import RevocationReason
from certctl.wiring import sockets
from tests.chaos.load import Ledger, applicant
from tests.chaos.revocations import Confirmed, check_revocations
from tests.chaos.told import TOLD
from tests.chaos.verdict import Received, Verdict, judge
from tests.harness.device import Device
from tests.harness.receiver import Post
from tests.harness.server import RunningServer, quickstart_server

DEVICES = 2
TWICE = """
INSERT INTO certificates
SELECT '0', status, not_before_us, not_after_us, issued_us, zeroblob(32), zeroblob(20),
    issuer_id, profile, subject_key, subject_der, san_der, certificate_profile, principal,
    auth_mode, subject, sans, key_algorithm, spki_sha256, source, source_address, tls_version,
    channel_binding, renews, revoked_us, revocation_reason, tenant, csr_sha256, der, csr_der,
    crl_partition
FROM certificates WHERE source = 'EST' LIMIT 1"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    directory = tmp_path_factory.mktemp("verdict")
    with quickstart_server(directory) as server:
        caller = applicant(server, Ledger())
        for number in range(DEVICES):
            device = Device(directory, common_name=f"device-{number}")
            received = caller.ask(caller.enrollment(device))
            device.certificate = x509.load_der_x509_certificate(received.certificate)
        successor = Device(directory, common_name=device.common_name)
        caller.ask(caller.renewal(successor, device))
        _revoke(server, received.serial)
        server.stop()
    return server


def _revoke(server: RunningServer, serial: str) -> None:
    records = server.records()
    (found,) = records.search(CertificateFilter(serial=serial), 0).rows
    records.close()
    run = server.ca_file.parent / sockets.RUN_DIRECTORY
    authority = AuthorityCaller(partial(sockets.connect, run))
    reason = RevocationReason.KEY_COMPROMISE
    wanted = RevokeCertificate(certificate_id=found.id, reason=reason, actor="host:test")
    authority.execute(wanted, RevocationDone)
    authority.close()


@pytest.fixture
def database(stopped: RunningServer, tmp_path: Path) -> Path:
    copy = tmp_path / "copy.db"
    copy.write_bytes(stopped.database.read_bytes())
    copy.chmod(0o600)
    return copy


def test_sound_books_are_not_blamed(database: Path) -> None:
    verdict, books = judge(database, ())
    assert verdict.problems == []
    assert len(books.certificates) == DEVICES + 2, "and the demonstration device, and the renewal"
    assert verdict.revoked == 1


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
            "DELETE FROM audit_events WHERE action = 'certificate_revoked'",
            "revoked on record without its event",
        ),
        (
            "UPDATE certificates SET status = 'valid', revoked_us = NULL, revocation_reason = NULL",
            "revocation events without revocation",
        ),
        (
            "UPDATE certificates SET revocation_reason = 'superseded' WHERE revoked_us > 0",
            "revoked for another reason",
        ),
        (
            "UPDATE audit_events SET time_us = time_us - 60000000 WHERE seq = 3",
            "audit times that go back",
        ),
        (
            TWICE,
            "requests with two certificates on record",
        ),
    ],
)
def test_damage_is_seen(database: Path, damage: str, seen: str) -> None:
    _damage(database, damage)
    assert any(seen in problem for problem in judge(database, ())[0].problems)


def test_a_confirmed_revocation_that_is_not_in_the_trail_is_seen(database: Path) -> None:
    revoked = next(e for e in judge(database, ())[1].certificates if e.revoked_us)
    done = Confirmed(revoked.id, RevocationReason.KEY_COMPROMISE)
    assert judge(database, (), confirmed=[done])[0].problems == []
    for lost in (Confirmed(revoked.id, None), Confirmed("0", RevocationReason.KEY_COMPROMISE)):
        (problem,) = judge(database, (), confirmed=[done, lost])[0].problems
        assert problem.startswith("confirmed to an operator, not in the trail: 1 ")


def test_a_renewal_of_what_was_revoked_is_seen(database: Path) -> None:
    _, books = judge(database, ())
    (revocation,) = [e for e in books.events if e.event.action is AuditAction.CERTIFICATE_REVOKED]
    early = dataclasses.replace(books, events=[revocation, *books.events])
    verdict = Verdict()
    check_revocations(verdict, early, ())
    seen = [problem.partition(":")[0] for problem in verdict.problems]
    assert seen == ["revoked twice for the same reason", "renewed while revoked"]


def test_what_was_not_told_and_what_is_not_on_record_is_seen(database: Path) -> None:
    _, books = judge(database, ())
    posts = [
        _post(each.id, TOLD[each.event.action], each.event.resource_id)
        for each in books.events
        if each.event.action in TOLD and each.event.resource_id
    ]
    assert len(posts) == DEVICES + 3
    cut = dataclasses.replace(posts[0], body=b"")
    assert judge(database, (), posts=[cut, *posts, posts[0]])[0].problems == []
    assert _seen(database, [cut, *posts[1:]]) == ["events that no receiver was told of"]
    assert _seen(database, posts[1:]) == ["events that no receiver was told of"]
    wrong = _post(posts[0].id, EventType.CERT_REVOKED, str(posts[0].event["data"]))
    assert _seen(database, [*posts[1:], wrong]) == [
        "told of certificates that are not on record",
        "told as another type",
    ]
    stranger = _post("0", EventType.CERT_ISSUED, "0")
    assert _seen(database, [*posts, stranger]) == [
        "told, but not in the audit trail",
        "told of certificates that are not on record",
    ]


def _seen(database: Path, posts: Sequence[Post]) -> list[str]:
    problems = judge(database, (), posts=posts)[0].problems
    return [problem.partition(":")[0] for problem in problems]


def _post(event_id: str, kind: EventType, certificate_id: str) -> Post:
    body = {"id": event_id, "type": kind.value, "data": {"certificate_id": certificate_id}}
    octets = json.dumps(body).encode()
    headers = {"Content-Length": str(len(octets))}
    return Post(path="/", headers=headers, body=octets, peer=("127.0.0.1", 1))


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
