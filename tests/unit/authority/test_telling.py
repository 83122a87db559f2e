"""A CA outside is told what is revoked: real programs that fail, a clock moved by hand."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.authority.caller import expect
from certctl.authority.calls import OutsideCalls
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    Command,
    LeaseAnswer,
    ReleaseCertificate,
    Requeued,
    RequeueDeliveries,
    RevocationDone,
    RevokeCertificate,
    RevokeSlice,
    SliceRevoked,
    TakeLease,
)
from certctl.authority.commands.telling import IssuersTold, TellIssuers
from certctl.authority.issue import IssuingRules
from certctl.authority.outbox import Outbox
from certctl.authority.service import AuthorityService
from certctl.authority.telling import JOB, NOBODY, NOT_REVOKED
from certctl.domain.bulk_revocation import SLICE, RevocationCriteria
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import Conflict, Failure, LeaseLost
from certctl.domain.events import Delivery, DeliveryStatus
from certctl.domain.ids import sortable_id
from certctl.domain.revocation import RevocationReason
from certctl.issuers.script import open_script
from certctl.jobs.loop import JobLoop
from certctl.jobs.telling import TellingJob
from certctl.store import open_records, open_writable
from tests.contract.samples import certificate
from tests.harness.pki import ForeignCA
from tests.harness.replacing import replace

Answer = TypeVar("Answer")

START_US = 1_800_000_000_000_000
CA = ForeignCA("corp").certificate.public_bytes(Encoding.DER)
COMPROMISED = RevocationReason.KEY_COMPROMISE
HOLD = RevocationReason.CERTIFICATE_HOLD

PROGRAM = """#!/bin/sh
here=$(dirname "$0")
cat >> "$here/asked"
n=$(cat "$here/left")
[ "$n" = 0 ] && exit 0
echo $((n-1)) > "$here/left"
echo "the CA is down" >&2
exit 75
"""


class Site:
    """Store, authority and the job, with a CA whose ``revoke`` fails ``fails`` times."""

    def __init__(self, directory: Path) -> None:
        self.now_us = START_US
        self.directory = directory
        self.program = directory / "revoke"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.fails(0)
        self.faults: list[BaseException] = []
        corp = open_script(
            issuer_id="corp",
            sign=self.program,
            find=None,
            revoke=self.program,
            chain=(CA,),
            time_limit_us=20 * SECOND_US,
            lifetime_us=DAY_US,
        )
        url = f"sqlite:///{directory / 'certctl.db'}"
        self.store = open_writable(url, node="one")
        self.records = open_records(url)
        self.calls = OutsideCalls(
            {"corp": corp}, owner="one/1", clock=lambda: self.now_us, on_fault=self.faults.append
        )
        self.service = AuthorityService(
            self.store,
            IssuingRules({}, {}),
            node="one",
            clock=lambda: self.now_us,
            new_id=lambda: sortable_id(self.now_us, secrets.token_bytes),
            on_fault=self.faults.append,
            powers=Powers(calls=self.calls),
            outbox=Outbox({}, source="https://x", lockout_failures=9, revokers=frozenset({"corp"})),
        )
        self.loop = self.new_loop()
        with self.store.transaction() as transaction:
            transaction.record_certificates(
                [certificate(number, issuer_id="corp", der=CA) for number in range(1, 6)]
                + [certificate(9)]
            )

    def new_loop(self, issuers: tuple[str, ...] = ("corp",)) -> JobLoop:
        job = TellingJob(issuers, records=self.records, caller=self, clock=lambda: self.now_us)
        return JobLoop(
            [job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda _, fault: self.faults.append(fault),
        )

    def fails(self, times: int) -> None:
        (self.directory / "left").write_text(f"{times}\n")

    def asked(self) -> list[dict[str, str]]:
        path = self.directory / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def execute(self, command: Command, answer: type[Answer]) -> Answer:
        outcome = self.service.execute(command)
        if isinstance(outcome, Failure):
            raise outcome
        return expect(outcome, answer)

    def revoke(self, number: int, reason: RevocationReason = COMPROMISED) -> None:
        command = RevokeCertificate(
            certificate_id=certificate(number).id, reason=reason, actor="host:me"
        )
        self.execute(command, RevocationDone)

    def pass_time(self, us: int) -> None:
        """One tick of the jobs process after so long, and what came of its calls."""
        self.now_us += us
        self.loop.tick()
        self.calls.wait(20)
        self.service.finish()

    def rows(self) -> list[Delivery]:
        return list(self.records.deliveries())

    def close(self) -> None:
        self.records.close()
        self.store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()
    assert site.faults == []


def test_a_revocation_is_told_within_the_next_second(site: Site):
    site.revoke(1)
    site.revoke(9)
    [row] = site.rows()
    assert (row.channel, row.status, row.subject) == (
        "ca:corp",
        DeliveryStatus.WAITING,
        f"certificate/{certificate(1).id}",
    )
    site.pass_time(SECOND_US)
    [asked] = site.asked()
    assert (asked["reason"], asked["request_id"]) == ("keyCompromise", row.event_id)
    assert site.rows()[0].status is DeliveryStatus.DELIVERED
    site.pass_time(DAY_US)
    assert len(site.asked()) == 1


def test_a_ca_that_fails_twice_is_told_a_third_time(site: Site):
    site.fails(2)
    site.revoke(1)
    for attempts, wait_us in ((1, SECOND_US), (2, 10 * SECOND_US), (3, 20 * SECOND_US)):
        site.pass_time(wait_us)
        [row] = site.rows()
        assert (row.attempts, len(site.asked())) == (attempts, attempts)
        if attempts < 3:
            assert row.status is DeliveryStatus.WAITING
            assert "the CA is down" in row.error
    assert row.status is DeliveryStatus.DELIVERED
    assert len({each["request_id"] for each in site.asked()}) == 1, "to tell repetitions by"


def test_a_ca_that_never_works_leaves_a_dead_letter_that_can_be_sent_again(site: Site):
    site.fails(1_000)
    site.revoke(1)
    for _ in range(40):
        site.pass_time(DAY_US)
    [row] = site.rows()
    assert row.status is DeliveryStatus.DEAD
    assert "the CA is down" in row.error
    assert row.attempts == len(site.asked()) < 20
    assert site.records.outbox_depth() == {("ca:corp", DeliveryStatus.DEAD): 1}

    site.fails(0)
    again = RequeueDeliveries(event_id=None, channel="ca:corp", actor="host:me")
    assert site.execute(again, Requeued).rows == 1
    site.pass_time(SECOND_US)
    assert site.rows()[0].status is DeliveryStatus.DELIVERED


def test_bulk_revocations_are_told_one_by_one(site: Site):
    ids = tuple(certificate(number).id for number in range(1, 5))
    assert len(ids) <= SLICE
    command = RevokeSlice(
        operation="0" * 32,
        criteria=RevocationCriteria(certificate_ids=ids),
        certificate_ids=ids,
        reason=RevocationReason.CESSATION_OF_OPERATION,
        actor="host:me",
    )
    assert site.execute(command, SliceRevoked).revoked == 4
    site.pass_time(SECOND_US)
    assert [each["reason"] for each in site.asked()] == ["cessationOfOperation"] * 4
    assert {row.status for row in site.rows()} == {DeliveryStatus.DELIVERED}


def test_a_hold_is_told_only_when_it_becomes_final(site: Site):
    site.revoke(1, HOLD)
    site.revoke(2, HOLD)
    release = ReleaseCertificate(certificate_id=certificate(2).id, actor="host:me")
    assert not isinstance(site.service.execute(release), Failure)
    site.pass_time(SECOND_US)
    assert (site.rows(), site.asked()) == ([], [])
    site.revoke(1)
    site.pass_time(SECOND_US)
    assert [each["reason"] for each in site.asked()] == ["keyCompromise"]


def test_a_killed_process_tells_again(site: Site):
    """The call came through, and nobody lived to write that down."""
    site.revoke(1)
    site.now_us += SECOND_US
    site.loop.tick()
    site.calls.wait(20)
    site.calls.finished()
    site.pass_time(2 * SECOND_US)
    assert len(site.asked()) == 2
    assert site.rows()[0].status is DeliveryStatus.DELIVERED


def test_an_issuer_that_is_gone_from_the_settings_leaves_dead_letters(site: Site):
    site.revoke(1)
    site.calls._issuers = {}
    site.loop = site.new_loop(issuers=())
    for _ in range(40):
        site.pass_time(DAY_US)
    [row] = site.rows()
    assert (row.status, row.error) == (DeliveryStatus.DEAD, NOBODY)
    assert site.asked() == []


def lease(site: Site) -> int:
    wanted = TakeLease(job=JOB, holder="test", every_us=0, lease_us=SECOND_US)
    fence = site.execute(wanted, LeaseAnswer).fence
    assert fence is not None
    return fence


def test_what_is_not_revoked_here_is_told_to_nobody(site: Site):
    """Whatever the jobs process says: it holds no right to revoke."""
    site.revoke(1)
    [row] = site.rows()
    fence = lease(site)
    for forged in (
        replace(row, subject=f"certificate/{certificate(2).id}"),
        replace(row, subject="certificate/none"),
        replace(row, channel="ca:other"),
    ):
        command = TellIssuers(fence=fence, deliveries=(forged,))
        assert site.execute(command, IssuersTold).begun == 0
    assert site.asked() == []
    assert site.rows()[0].error in ("", NOT_REVOKED)


def test_too_many_or_without_the_lease_is_refused(site: Site):
    site.revoke(1)
    [row] = site.rows()
    fence = lease(site)
    with pytest.raises(Conflict):
        site.execute(TellIssuers(fence=fence, deliveries=(row,) * 33), IssuersTold)
    with pytest.raises(LeaseLost):
        site.execute(TellIssuers(fence=fence + 1, deliveries=(row,)), IssuersTold)
    assert site.asked() == []
