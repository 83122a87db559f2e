"""Leases over a real authority: one node at a time, fenced, caught up once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from certctl.authority.caller import expect
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    Command,
    FinishJob,
    LeaseAnswer,
    PurgeExpired,
    SealAudit,
    TakeLease,
)
from certctl.authority.issue import IssuingRules
from certctl.authority.service import AuthorityService
from certctl.authority.verify import verify
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import CrlRefused, Failure, LeaseLost, StoreUnavailable
from certctl.issuers.signers.file import KeyType, make_key
from certctl.jobs.checkpoint import CheckpointJob
from certctl.jobs.loop import RETRY_US, Job, JobLoop
from certctl.store import MemoryStore
from certctl.wiring.audit_key import AuditKey, open_audit_key, read_public_keys
from tests.contract.samples import event

Answer = TypeVar("Answer")

START_US = 1_800_000_000_000_000


class Node:
    """Two loops may share one of these: it is the authority and the store."""

    def __init__(self, directory: Path) -> None:
        self.now_us = START_US
        self.store = MemoryStore(node="one")
        self.key: AuditKey = open_audit_key(directory)
        self.public = read_public_keys(directory / "audit.pub")
        self.faults: list[BaseException] = []
        self.refused: frozenset[type] = frozenset()
        self.told: list[tuple[str, BaseException]] = []
        ids = iter(range(10_000))
        self.service = AuthorityService(
            self.store,
            IssuingRules({}, {}),
            node="one",
            clock=lambda: self.now_us,
            new_id=lambda: f"{next(ids):032x}",
            on_fault=self.faults.append,
            powers=Powers(audit_signer=self.key),
        )

    def execute(self, command: Command, answer: type[Answer]) -> Answer:
        if type(command) in self.refused:
            # The way there is broken; the authority never hears of it.
            raise StoreUnavailable("authority")
        outcome = self.service.execute(command)
        if isinstance(outcome, Failure):
            raise outcome
        return expect(outcome, answer)

    def loop(self, *jobs: Job, holder: str = "here/1") -> JobLoop:
        return JobLoop(
            jobs,
            self,
            holder=holder,
            clock=lambda: self.now_us,
            on_fault=lambda name, fault: self.told.append((name, fault)),
        )

    def add_events(self, *seqs: int) -> None:
        with self.store.transaction() as transaction:
            transaction.append_events([event(seq) for seq in seqs])


class Counting:
    """A job that counts its runs."""

    name = "counting"
    every_us = 60 * SECOND_US
    lease_us = 30 * SECOND_US

    def __init__(self) -> None:
        self.fences: list[int] = []
        self.fails_with: Exception | None = None

    def is_wanted(self, now_us: int) -> bool:
        return now_us > 0

    def run(self, fence: int) -> None:
        self.fences.append(fence)
        if self.fails_with is not None:
            raise self.fails_with


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    assert made.faults == []


def test_two_nodes_run_a_job_once_per_turn(node: Node):
    job = Counting()
    one, two = node.loop(job, holder="one/1"), node.loop(job, holder="two/1")
    for _ in range(121):
        one.tick()
        two.tick()
        node.now_us += SECOND_US
    assert job.fences == [1, 2, 3]


def test_missed_runs_are_caught_up_once(node: Node):
    job = Counting()
    node.loop(job).tick()
    node.now_us += 3_600 * SECOND_US
    again = node.loop(job)
    again.tick()
    again.tick()
    assert job.fences == [1, 2]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (StoreUnavailable("store"), "the database cannot be used now"),
        (
            CrlRefused("usage", wanted="cRLSign", got="none"),
            "the CRL was not signed: the CA certificate must not sign CRLs (wanted cRLSign, got",
        ),
        (RuntimeError("secret"), "a fault of this program (RuntimeError); its log has the trace"),
    ],
)
def test_a_failing_job_says_so_and_stops_no_other(node: Node, fault: Exception, told: str):
    bad, good = Counting(), Counting()
    bad.name, bad.fails_with = "bad", fault
    loop = node.loop(bad, good)
    loop.tick()
    assert good.fences == [1]
    assert [name for name, _ in node.told] == ["bad"]
    outcomes = {lease.job: lease.outcome for lease in node.store.leases()}
    assert outcomes["counting"] == "ok"
    assert outcomes["bad"].startswith(told)
    assert "secret" not in outcomes["bad"]
    node.now_us += bad.every_us + RETRY_US
    loop.tick()
    assert bad.fences == [1, 2]


def test_what_a_job_failed_with_is_told_though_the_authority_cannot_be(node: Node):
    fault = CrlRefused("usage", wanted="cRLSign", got="none")
    job = Counting()
    job.fails_with, node.refused = fault, frozenset({FinishJob})
    node.loop(job).tick()
    assert [told for _, told in node.told] == [fault]


def test_an_end_that_cannot_be_told_is_a_failure(node: Node):
    node.refused = frozenset({FinishJob})
    node.loop(Counting()).tick()
    assert [type(told) for _, told in node.told] == [StoreUnavailable]


def test_a_clock_set_back_stops_no_job(node: Node):
    job = Counting()
    loop = node.loop(job)
    loop.tick()
    node.now_us -= 3_600 * SECOND_US
    loop.tick()
    assert job.fences == [1, 2]


def test_who_lost_the_lease_writes_nothing_more(node: Node):
    wanted = TakeLease(job="purge", holder="slow/1", every_us=1, lease_us=SECOND_US)
    slow = node.execute(wanted, LeaseAnswer)
    node.now_us += 2 * SECOND_US
    fast = node.execute(wanted, LeaseAnswer)
    assert isinstance(slow, LeaseAnswer)
    assert isinstance(fast, LeaseAnswer)
    assert slow.fence != fast.fence
    assert slow.fence is not None
    with pytest.raises(LeaseLost):
        node.execute(PurgeExpired(fence=slow.fence), object)
    with pytest.raises(LeaseLost):
        node.execute(FinishJob(job="purge", fence=slow.fence, outcome="ok"), object)


def test_a_held_lease_is_given_to_nobody(node: Node):
    wanted = TakeLease(job="purge", holder="one/1", every_us=1, lease_us=10 * SECOND_US)
    assert node.execute(wanted, LeaseAnswer) == LeaseAnswer(1)
    node.now_us += 9 * SECOND_US
    assert node.execute(elsewhere(wanted), LeaseAnswer) == LeaseAnswer(None)


def test_a_process_that_asks_again_goes_on_at_once(node: Node):
    """The authority was killed before it heard of the end of the run."""
    wanted = TakeLease(job="purge", holder="one/1", every_us=1, lease_us=10 * SECOND_US)
    assert node.execute(wanted, LeaseAnswer) == LeaseAnswer(1)
    node.now_us += SECOND_US
    assert node.execute(wanted, LeaseAnswer) == LeaseAnswer(2)
    with pytest.raises(LeaseLost):
        node.execute(PurgeExpired(fence=1), object)


def elsewhere(wanted: TakeLease) -> TakeLease:
    """The same from another node."""
    return msgspec.structs.replace(wanted, holder="two/1")


def test_a_lease_from_before_the_clock_was_set_back_holds_nobody_up(node: Node):
    """Its holder was killed meanwhile: the job must not wait for as long as the step."""
    wanted = TakeLease(job="purge", holder="one/1", every_us=1, lease_us=10 * SECOND_US)
    assert node.execute(wanted, LeaseAnswer) == LeaseAnswer(1)
    node.now_us -= 3_600 * SECOND_US
    assert node.execute(elsewhere(wanted), LeaseAnswer) == LeaseAnswer(2)


def test_a_node_whose_clock_is_late_takes_no_lease_that_is_held(node: Node):
    wanted = TakeLease(job="purge", holder="one/1", every_us=1, lease_us=10 * SECOND_US)
    assert node.execute(wanted, LeaseAnswer) == LeaseAnswer(1)
    node.now_us -= 120 * SECOND_US
    assert node.execute(elsewhere(wanted), LeaseAnswer) == LeaseAnswer(None)


def test_events_are_sealed_each_minute_or_thousand(node: Node):
    seals: list[Checkpoint] = []
    job = CheckpointJob(node.store, node, on_sealed=seals.append)
    loop = node.loop(job)
    loop.tick()
    assert seals == [], "nothing to seal"
    node.add_events(1, 2)
    node.now_us += 10 * SECOND_US
    loop.tick()
    assert [seal.number for seal in seals] == [1]
    node.add_events(*range(3, 1_002))
    node.now_us += 10 * SECOND_US
    loop.tick()
    assert [seal.number for seal in seals] == [1], "999 events and ten seconds"
    node.add_events(1_002)
    node.now_us += 10 * SECOND_US
    loop.tick()
    assert [seal.heads[0].seq for seal in seals] == [2, 1_002]
    node.now_us += 120 * SECOND_US
    loop.tick()
    assert len(seals) == 2, "the chains have not grown"


def test_a_seal_without_lease_is_refused(node: Node):
    node.add_events(1)
    with pytest.raises(LeaseLost):
        node.execute(SealAudit(fence=1), object)
    assert node.store.checkpoints() == []


def test_another_key_does_not_seal(node: Node):
    other = AuditKey(make_key(KeyType.ED25519))  # type: ignore[arg-type]
    node.add_events(1)
    node.service = AuthorityService(
        node.store,
        IssuingRules({}, {}),
        node="one",
        clock=lambda: node.now_us,
        new_id=lambda: "x",
        on_fault=node.faults.append,
        powers=Powers(audit_signer=other),
    )
    job = CheckpointJob(node.store, node, on_sealed=lambda _: None)
    node.loop(job).tick()
    with pytest.raises(Exception, match=f"unknown key {other.key_id}"):
        verify(node.store.checkpoints(), [], keys=node.public)


def test_a_new_audit_key_is_added_to_the_public_ones(tmp_path: Path):
    first = open_audit_key(tmp_path)
    (tmp_path / "audit.key").unlink()
    second = open_audit_key(tmp_path)
    assert set(read_public_keys(tmp_path / "audit.pub")) == {first.key_id, second.key_id}
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
