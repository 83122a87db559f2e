"""Retention over a real store: what goes, what stays, and what an auditor can still prove."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from certctl.authority.caller import expect
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    SYSTEM,
    AuditDropped,
    Command,
    DropAuditSegment,
    DropRecords,
    LeaseAnswer,
    RecordsDropped,
    RevocationDone,
    RevokeCertificate,
    SealAudit,
    Sealed,
    TakeLease,
)
from certctl.authority.events import event_by
from certctl.authority.issue import IssuingRules
from certctl.authority.service import AuthorityService
from certctl.authority.verify import Broken, Proof
from certctl.domain.audit import AuditAction
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import Conflict, Failure, LeaseLost
from certctl.domain.ids import sortable_id
from certctl.domain.retention import Retention
from certctl.domain.revocation import RevocationReason
from certctl.jobs.loop import JobLoop
from certctl.jobs.retention import RetentionJob
from certctl.store import SqlRecords, open_records, open_writable
from certctl.wiring import audit_trail
from certctl.wiring.audit_key import open_audit_key, read_public_keys
from tests.contract.samples import certificate
from tests.harness.postgres import PrivatePostgres
from tests.harness.replacing import replace

Answer = TypeVar("Answer")

START_US = 1_800_000_000_000_000
KEEP = Retention(audit_us=30 * DAY_US, records_us=10 * DAY_US)


class Node:
    """Authority, store and jobs of one node, with a clock that is moved by hand."""

    refused: type[Exception] = sqlite3.IntegrityError
    """By a trigger."""

    def __init__(self, directory: Path, url: str = "") -> None:
        self.now_us = START_US
        self.path = directory / "certctl.db"
        self.url = url or f"sqlite:///{self.path}"
        self.store = open_writable(self.url, node="one")
        self.records: SqlRecords = open_records(self.url)
        self.key = open_audit_key(directory)
        self.public = read_public_keys(directory / "audit.pub")
        self.faults: list[BaseException] = []
        self.service = AuthorityService(
            self.store,
            IssuingRules({}, {}),
            node="one",
            clock=lambda: self.now_us,
            new_id=lambda: sortable_id(self.now_us, bytes),
            on_fault=self.faults.append,
            powers=Powers(audit_signer=self.key, retention=KEEP),
        )

    def execute(self, command: Command, answer: type[Answer]) -> Answer:
        outcome = self.service.execute(command)
        if isinstance(outcome, Failure):
            raise outcome
        return expect(outcome, answer)

    def lease(self, job: str) -> int:
        wanted = TakeLease(job=job, holder="test", every_us=0, lease_us=SECOND_US)
        fence = self.execute(wanted, LeaseAnswer).fence
        assert fence is not None
        self.now_us += 2 * SECOND_US
        return fence

    def days_pass(self, days: int, events: int = 3) -> None:
        """Each day so many events and one seal."""
        for _ in range(days):
            self.now_us += DAY_US
            for _ in range(events):
                self.service.record(
                    event_by(
                        SYSTEM,
                        AuditAction.CONFIG_CHANGED,
                        now_us=self.now_us,
                        resource_type="test",
                        details={},
                    )
                )
            assert self.execute(SealAudit(fence=self.lease("checkpoint")), Sealed).checkpoint

    def run_job(self) -> None:
        job = RetentionJob(self.records, self, KEEP, clock=lambda: self.now_us)
        told: list[object] = []
        loop = JobLoop(
            [job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda *fault: told.append(fault),
        )
        loop.tick()
        assert told == []

    def verify(self) -> Proof:
        return audit_trail.verify_store(self.records, keys=self.public)

    def sql(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA recursive_triggers = ON")
            connection.execute("BEGIN")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")

    def first_seq(self) -> int:
        return self.records.events(limit=1)[0].seq

    def close(self) -> None:
        self.records.close()
        self.store.close()


class PostgresNode(Node):
    """The same on PostgreSQL; ``sql`` is that of the owner of the tables."""

    refused = psycopg.errors.RestrictViolation

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(_for_postgres(statement).encode())


def _for_postgres(statement: str) -> str:
    drop, _, trigger = statement.partition("DROP TRIGGER ")
    if trigger and not drop:
        table = trigger.partition("_no_")[0]
        name = trigger if trigger == "audit_events_no_delete" else f"{table}_append_only"
        return f"DROP TRIGGER IF EXISTS {name} ON {table}"
    replace_into = "INSERT OR REPLACE INTO audit_stubs"
    if statement.startswith(replace_into):
        rest = statement.removeprefix(replace_into)
        changed = "ON CONFLICT (node, last_seq) DO UPDATE SET signature = excluded.digest"
        return f"INSERT INTO audit_stubs{rest} {changed}"
    return re.sub(r"zeroblob\((\d+)\)", r"decode(repeat('00', \1), 'hex')", statement)


@pytest.fixture(params=["sqlite", "postgres"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    if request.param == "postgres":
        postgres: PrivatePostgres = request.getfixturevalue("postgres")
        made: Node = PostgresNode(tmp_path, postgres.migrated())
    else:
        made = Node(tmp_path)
    yield made
    made.close()


def test_old_segments_go_and_the_rest_is_still_proven(node: Node):
    node.days_pass(60)
    before = node.verify()
    assert before.dropped == 0
    node.run_job()
    after = node.verify()
    assert after.dropped == 30 * 3
    assert after.dropped + after.events == before.events + 1
    stubs = node.records.stubs()
    assert [stub.last_seq for stub in stubs] == [90]
    told = [each.event for each in node.records.events(after_seq=180, limit=10)]
    assert [event.action for event in told] == [AuditAction.AUDIT_RETENTION]
    assert told[0].details["last_seq"] == 90

    node.days_pass(5)
    node.run_job()
    assert node.verify().dropped == 35 * 3
    assert len(node.records.stubs()) == 2
    # The chain goes on from its kept end, after a restart too.
    node.service.resume()
    node.days_pass(1)
    node.verify()
    assert node.faults == []


def test_large_trails_go_in_pieces_that_are_whole_segments(node: Node):
    node.days_pass(4, events=400)
    node.now_us += 40 * DAY_US
    node.run_job()
    assert [stub.last_seq for stub in node.records.stubs()] == [800, 1200]
    assert node.first_seq() == 1201
    node.verify()


def test_the_last_event_of_a_chain_is_never_dropped(node: Node):
    node.days_pass(3)
    node.now_us += 400 * DAY_US
    node.run_job()
    assert node.first_seq() == 7
    node.now_us += 400 * DAY_US
    node.run_job()
    assert node.verify().events > 0


def test_the_authority_decides_for_itself(node: Node):
    node.days_pass(3)
    fence = node.lease("retention")
    young = DropAuditSegment(fence=fence, node="one", checkpoint=1)
    with pytest.raises(Conflict, match="within the audit retention"):
        node.execute(young, AuditDropped)
    with pytest.raises(LeaseLost):
        node.execute(DropAuditSegment(fence=fence - 1, node="one", checkpoint=1), AuditDropped)
    node.now_us += 40 * DAY_US
    with pytest.raises(Conflict, match="nothing to drop"):
        node.execute(DropAuditSegment(fence=fence, node="one", checkpoint=3), AuditDropped)
    assert node.verify().dropped == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET actor = 'nobody' WHERE seq = 2",
        "DELETE FROM audit_events WHERE seq = 2",
        "UPDATE audit_events SET digest = zeroblob(32) WHERE seq = 3",
    ],
)
def test_a_stub_never_covers_up_what_was_tampered_with(node: Node, change: str):
    node.days_pass(3)
    for verb in ("update", "delete"):
        node.sql(f"DROP TRIGGER audit_events_no_{verb}")
    node.sql(change)
    node.now_us += 40 * DAY_US
    fence = node.lease("retention")
    with pytest.raises(Conflict, match="not whole"):
        node.execute(DropAuditSegment(fence=fence, node="one", checkpoint=1), AuditDropped)
    assert node.records.stubs() == []


STUB = (
    "INSERT INTO audit_stubs SELECT node, {first}, seq, digest, 1, 0, 'forged', zeroblob(64)"
    " FROM audit_events WHERE seq = {last}"
)


@pytest.mark.parametrize(
    "statements",
    [
        ("DELETE FROM audit_events",),
        ("DELETE FROM audit_events WHERE seq = 91",),
        ("UPDATE audit_stubs SET last_seq = 93",),
        ("DELETE FROM audit_stubs",),
        ("INSERT OR REPLACE INTO audit_stubs SELECT * FROM audit_stubs",),
        # Stubs that do not fit the chain: a gap, no such event, another digest, all of it.
        (STUB.format(first=92, last=93),),
        (STUB.format(first=1, last=93),),
        (STUB.format(first=91, last=93).replace("digest,", "zeroblob(32),"),),
        (STUB.format(first=91, last="(SELECT max(seq) FROM audit_events)"),),
    ],
)
def test_plain_sql_deletes_nothing(node: Node, statements: tuple[str, ...]):
    node.days_pass(60)
    node.run_job()
    proven = node.verify()
    with pytest.raises(node.refused, match=r"append-only|does not fit"):
        node.sql(*statements)
    assert node.verify() == proven


@pytest.mark.parametrize(
    "statements",
    [
        ("TRUNCATE audit_events",),
        ("TRUNCATE audit_stubs",),
        # Tables that only this session sees must not stand in for ours.
        (
            "CREATE TEMP TABLE audit_stubs AS TABLE public.audit_stubs",
            "UPDATE pg_temp.audit_stubs SET last_seq = 1000",
            "DELETE FROM public.audit_events",
        ),
        (
            "CREATE TEMP TABLE audit_events AS TABLE public.audit_events",
            "UPDATE pg_temp.audit_events SET digest = decode(repeat('00', 32), 'hex')",
            STUB.format(first=91, last=93).replace("INTO audit_stubs", "INTO public.audit_stubs"),
        ),
    ],
)
def test_nor_do_the_ways_that_only_postgresql_has(
    tmp_path: Path, postgres: PrivatePostgres, statements: tuple[str, ...]
):
    node = PostgresNode(tmp_path, postgres.migrated())
    node.days_pass(60)
    node.run_job()
    proven = node.verify()
    with pytest.raises(node.refused, match=r"append-only|does not fit"):
        node.sql(*statements)
    assert node.verify() == proven
    node.close()


def test_deletion_without_a_good_stub_is_named(node: Node):
    node.days_pass(60)
    node.run_job()
    node.sql(STUB.format(first=91, last=93), "DELETE FROM audit_events WHERE seq BETWEEN 91 AND 93")
    with pytest.raises(Broken, match="stub one/91-93: is signed by an unknown key"):
        node.verify()
    node.sql("DROP TRIGGER audit_stubs_no_update")
    node.sql(f"UPDATE audit_stubs SET key_id = '{node.key.key_id}'")  # noqa: S608
    with pytest.raises(Broken, match="stub one/91-93: its signature does not hold"):
        node.verify()
    node.sql("DROP TRIGGER audit_stubs_no_delete", "DELETE FROM audit_stubs WHERE last_seq = 93")
    with pytest.raises(Broken, match="event one/91: is missing"):
        node.verify()
    node.sql("DELETE FROM audit_stubs")
    with pytest.raises(Broken, match="event one/1: is missing"):
        node.verify()


def test_dropped_events_put_back_are_named(node: Node):
    node.days_pass(60)
    first = node.records.events(limit=1)[0]
    node.run_job()
    with node.store.transaction() as transaction:
        transaction.append_events([replace(first, seq=5)])
    with pytest.raises(Broken, match="event one/5: is there, although retention has dropped it"):
        node.verify()


def test_an_export_proves_itself_without_what_was_dropped(node: Node, tmp_path: Path):
    from certctl.authority.verify import verify  # noqa: PLC0415

    node.days_pass(60)
    node.run_job()
    exported = tmp_path / "trail.jsonl"
    with exported.open("wb") as file:
        audit_trail.export(node.records, file)
    checkpoints, stubs, events = audit_trail.read_export(exported)
    assert verify(checkpoints, events, keys=node.public, stubs=stubs) == node.verify()
    checkpoints, _, events = audit_trail.read_export(exported)
    with pytest.raises(Broken, match="event one/1: is missing"):
        verify(checkpoints, events, keys=node.public)


def test_expired_certificates_go_and_no_other(node: Node):
    def record(number: int, **changes: object) -> str:
        made = certificate(
            number,
            id=sortable_id(START_US - 100 * DAY_US + number, bytes),
            issued_us=START_US - 100 * DAY_US,
            **changes,
        )
        made = replace(made, id=f"{made.id[:-4]}{number:04x}")
        with node.store.transaction() as transaction:
            transaction.record_certificates([made])
            transaction.record_repetitions(
                [(number.to_bytes(32, "big"), made.id, START_US)], START_US - 90 * DAY_US
            )
        return made.id

    old = [record(n, not_after_us=START_US - 11 * DAY_US) for n in range(250)]
    revoked_expired = record(901, not_after_us=START_US - 50 * DAY_US)
    revoked = record(902, not_after_us=START_US + DAY_US)
    young = record(903, not_after_us=START_US - 9 * DAY_US)
    valid = record(904, not_after_us=START_US + DAY_US)
    for each in (revoked_expired, revoked):
        node.execute(
            RevokeCertificate(
                certificate_id=each, reason=RevocationReason.SUPERSEDED, actor="host:t"
            ),
            RevocationDone,
        )

    node.run_job()

    kept = {each.id for each in node.records.certificates(limit=1_000)}
    assert kept == {revoked_expired, revoked, young, valid}
    told = [
        each.event.details["certificates"]
        for each in node.records.events(limit=100)
        if each.event.action is AuditAction.RECORD_RETENTION
    ]
    assert told == [200, 50]

    # Whatever is asked for by name, the same rule holds.
    fence = node.lease("retention")
    named = DropRecords(fence=fence, certificate_ids=[*old[:2], revoked_expired, young, valid])
    assert node.execute(named, RecordsDropped).certificates == 0
    too_many = DropRecords(fence=fence, certificate_ids=[str(n) for n in range(201)])
    with pytest.raises(Conflict):
        node.execute(too_many, RecordsDropped)


def test_the_default_keeps_everything(node: Node):
    node.days_pass(60)
    job = RetentionJob(node.records, node, Retention(), clock=lambda: node.now_us)
    assert not job.is_wanted(node.now_us + 4_000 * DAY_US)
