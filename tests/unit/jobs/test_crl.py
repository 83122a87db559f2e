"""The CRL job over a real store, a real CA and the authority that signs."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509

from certctl.authority.caller import expect
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    Command,
    CrlPartKept,
    CrlPublished,
    LeaseAnswer,
    Purged,
    PurgeExpired,
    PutCrlPart,
    SignCrl,
    TakeLease,
)
from certctl.authority.crl import LEASE_US, job_name
from certctl.authority.issue import IssuingRules
from certctl.authority.purge import JOB as PURGE
from certctl.authority.service import AuthorityService
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import PART_OCTETS, CrlRecord
from certctl.domain.errors import CrlRefused, Failure, LeaseLost, StoreUnavailable
from certctl.domain.ids import sortable_id
from certctl.domain.revocation import RevocationReason
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyType
from certctl.jobs.crl import CrlJob, CrlTimes
from certctl.jobs.loop import JobLoop
from certctl.store import open_records, open_writable
from certctl.wire.crl import CrlFields, encode_tbs
from tests.contract.samples import certificate

Answer = TypeVar("Answer")

START_US = 1_800_000_000_000_000
HOUR_US = 3_600 * SECOND_US
ISSUER = "iss-local"
TIMES = CrlTimes(interval_us=HOUR_US, debounce_us=10 * SECOND_US, validity_us=DAY_US)


class Node:
    """Authority, store and jobs of one node; ``dies_at`` cuts the job off in the middle."""

    def __init__(self, directory: Path) -> None:
        self.now_us = START_US
        self.database = directory / "certctl.db"
        self.ca = self._ca(directory, ISSUER)
        self.stranger = self._ca(directory, "other")
        self.store = open_writable(f"sqlite:///{self.database}", node="one")
        self.records = open_records(f"sqlite:///{self.database}")
        self.told: list[BaseException] = []
        self.published: list[CrlRecord] = []
        self.dies_at: type | None = None
        self.service = AuthorityService(
            self.store,
            IssuingRules({}, {}),
            node="one",
            clock=lambda: self.now_us,
            new_id=lambda: sortable_id(self.now_us, secrets.token_bytes),
            on_fault=self.told.append,
            powers=Powers(crl_signers={ISSUER: self.ca}),
        )
        self.restart()

    def _ca(self, directory: Path, issuer_id: str) -> LocalCA:
        return LocalCA.open(
            directory,
            issuer_id=issuer_id,
            key_type=KeyType.P256,
            passphrase=None,
            now_us=START_US,
            known_fingerprint=None,
        )

    def restart(self) -> None:
        """A new jobs process: nothing is left in memory."""
        self.job = CrlJob(
            ISSUER,
            self.ca.crl_issuer,
            TIMES,
            records=self.records,
            caller=self,
            clock=lambda: self.now_us,
            on_published=lambda crl, _took_us: self.published.append(crl),
        )
        self.loop = JobLoop(
            [self.job],
            self,
            holder="one/1",
            clock=lambda: self.now_us,
            on_fault=lambda _, fault: self.told.append(fault),
        )

    def execute(self, command: Command, answer: type[Answer]) -> Answer:
        if self.dies_at is not None and isinstance(command, self.dies_at):
            raise KeyboardInterrupt  # as sudden as a kill: no except clause of ours sees it
        result = self.service.execute(command)
        if isinstance(result, Failure):
            raise result
        return expect(result, answer)

    def pass_time(self, seconds: int) -> None:
        """Tick once a second, as the jobs process does."""
        for _ in range(seconds):
            self.now_us += SECOND_US
            self.loop.tick()

    def jump(self, us: int) -> None:
        self.now_us += us
        self.loop.tick()

    def issue(self, *numbers: int, not_after_us: int = START_US + 90 * DAY_US) -> None:
        with self.store.transaction() as transaction:
            transaction.record_certificates(
                [certificate(number, not_after_us=not_after_us) for number in numbers]
            )

    def revoke(self, number: int, reason: str = "superseded") -> None:
        with self.store.transaction() as transaction:
            transaction.revoke_certificates(
                [certificate(number).id], self.now_us, RevocationReason(reason)
            )

    def crl(self) -> x509.CertificateRevocationList:
        """As served: put together from the store, and verified with the CA's key."""
        record = self.records.crl(ISSUER)
        assert record is not None
        parts = [self.records.crl_part(ISSUER, record.number, n) for n in range(record.parts)]
        der = record.seal.around(b"".join(part or b"" for part in parts))
        assert (len(der), hashlib.sha256(der).digest()) == (record.size, record.digest)
        crl = x509.load_der_x509_crl(der)
        ca = x509.load_der_x509_certificate(self.ca.ca_chain()[0])
        assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert number == record.number
        return crl

    def listed(self) -> set[int]:
        """Numbers of the sample certificates that are on the CRL."""
        return {entry.serial_number - (1 << 150) for entry in self.crl()}

    def number(self) -> int:
        record = self.records.crl(ISSUER)
        return record.number if record else 0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    node.records.close()
    node.store.close()


def test_the_first_crl_is_made_at_once_and_the_next_in_its_time(node: Node):
    node.loop.tick()
    assert (node.number(), node.listed()) == (1, set())
    node.pass_time(30)
    assert node.number() == 1, "nothing has happened"
    node.jump(HOUR_US)
    assert node.number() == 2
    assert node.told == []


def test_a_revocation_is_on_a_crl_in_time_and_others_are_gathered(node: Node):
    node.issue(1, 2, 3)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(5)
    node.revoke(2, "keyCompromise")
    node.pass_time(3)
    assert node.number() == 1, "still gathering"
    node.pass_time(2)
    assert (node.number(), node.listed()) == (2, {1, 2})
    assert node.published[-1].scheduled_us == node.published[0].scheduled_us
    node.pass_time(60)
    assert node.number() == 2


def test_a_replaced_and_a_released_hold_make_a_new_one(node: Node):
    node.issue(1, 2)
    node.loop.tick()
    node.revoke(1, "certificateHold")
    node.revoke(2, "certificateHold")
    node.pass_time(12)
    node.revoke(2, "cessationOfOperation")
    with sqlite3.connect(node.database) as database:
        database.execute(
            "UPDATE certificates SET status = 'valid', revoked_us = NULL,"
            " revocation_reason = NULL WHERE id = ?",
            (certificate(1).id,),
        )
    database.close()
    node.pass_time(12)
    (entry,) = node.crl()
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.cessation_of_operation
    assert node.number() == 3


def test_a_change_is_not_forgotten_by_a_restart(node: Node):
    node.issue(1)
    node.loop.tick()
    node.revoke(1)
    node.pass_time(3)
    node.restart()
    node.pass_time(12)
    assert node.listed() == {1}


@pytest.mark.parametrize("dies_at", [PutCrlPart, SignCrl])
def test_killed_in_the_middle_no_number_has_two_contents(node: Node, dies_at: type):
    node.issue(1, 2)
    node.loop.tick()
    before = node.crl()
    node.revoke(1)
    node.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    assert node.crl() == before, "what is served is whole"

    node.dies_at = None
    node.revoke(2)
    node.restart()
    node.pass_time(LEASE_US // SECOND_US + 15)

    assert (node.number(), node.listed()) == (2, {1, 2})
    assert [crl.number for crl in node.published] == [1, 2]


def test_killed_right_after_signing_the_number_is_taken(node: Node):
    """The row is durable, but the job never heard of it."""
    node.issue(1)
    node.loop.tick()
    node.revoke(1)
    execute = node.execute

    def deaf(command: Command, answer: type[Answer]) -> Answer:
        result = execute(command, answer)
        if isinstance(command, SignCrl):
            raise KeyboardInterrupt
        return result

    node.job._caller.execute = deaf  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        node.pass_time(12)
    signed = node.records.crl(ISSUER)
    del node.job._caller.execute
    node.restart()
    node.pass_time(LEASE_US // SECOND_US + 60)
    assert node.records.crl(ISSUER) == signed, "nothing has changed since"
    node.jump(HOUR_US)
    assert node.number() == 3


def taken(node: Node) -> int:
    lease = TakeLease(job=job_name(ISSUER), holder="two/2", every_us=0, lease_us=LEASE_US)
    fence = node.execute(lease, LeaseAnswer).fence
    assert fence is not None
    return fence


def put(node: Node, tbs: bytes, *, fence: int, number: int, part: int = 0) -> None:
    node.execute(
        PutCrlPart(fence=fence, issuer_id=ISSUER, number=number, part=part, octets=tbs),
        CrlPartKept,
    )


def sign(node: Node, *, fence: int, number: int, parts: int = 1) -> None:
    node.execute(
        SignCrl(
            fence=fence, issuer_id=ISSUER, number=number, parts=parts, scheduled=True, stamp="0"
        ),
        CrlPublished,
    )


def test_who_lost_the_lease_writes_nothing(node: Node):
    node.loop.tick()
    old = taken(node)
    node.now_us += LEASE_US + 1
    new = taken(node)
    for attempt in (
        lambda: put(node, b"x", fence=old, number=2),
        lambda: sign(node, fence=old, number=2),
    ):
        with pytest.raises(LeaseLost):
            attempt()
    assert new == old + 1
    assert node.number() == 1


def test_nothing_is_written_over_a_published_crl(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    with pytest.raises(CrlRefused, match="number"):
        put(node, tbs_of(node, node.ca, number=1), fence=fence, number=1)
    assert node.crl() == before


def tbs_of(node: Node, ca: LocalCA, *, number: int, now_us: int | None = None) -> bytes:
    now_us = now_us or node.now_us
    fields = CrlFields(number=number, this_update_us=now_us, next_update_us=now_us + DAY_US)
    return encode_tbs(ca.crl_issuer, fields, ())


@pytest.mark.parametrize(
    ("reason", "said", "inside", "ours", "age_us"),
    [
        ("number", 1, 1, "ours", 0),
        ("number", 2, 3, "ours", 0),
        ("number", 2, 1, "ours", 0),
        ("issuer", 2, 2, "another's", 0),
        ("dates", 2, 2, "ours", DAY_US),
    ],
)
def test_the_authority_signs_only_the_next_crl_of_the_issuer(
    node: Node, reason: str, said: int, inside: int, ours: str, age_us: int
):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    ca = node.ca if ours == "ours" else node.stranger

    def attempt() -> None:
        tbs = tbs_of(node, ca, number=inside, now_us=node.now_us - age_us)
        put(node, tbs, fence=fence, number=said)
        sign(node, fence=fence, number=said)

    with pytest.raises(CrlRefused) as refused:
        attempt()
    assert refused.value.reason == reason
    assert node.crl() == before


@pytest.mark.parametrize(
    "scope", [{"base_number": 1}, {"distribution_point": "http://pki.example.org/part.crl"}]
)
def test_a_part_of_a_list_does_not_take_the_place_of_the_whole(node: Node, scope: dict[str, Any]):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    fields = CrlFields(
        number=2, this_update_us=node.now_us, next_update_us=node.now_us + DAY_US, **scope
    )
    put(node, encode_tbs(node.ca.crl_issuer, fields, ()), fence=fence, number=2)
    with pytest.raises(CrlRefused, match="malformed"):
        sign(node, fence=fence, number=2)
    assert node.crl() == before


def test_what_is_no_crl_or_not_all_there_is_not_signed(node: Node):
    node.loop.tick()
    before = node.crl()
    fence = taken(node)
    tbs = tbs_of(node, node.ca, number=2)
    put(node, tbs[:40], fence=fence, number=2)
    for parts in (1, 2):
        with pytest.raises(CrlRefused, match="malformed"):
            sign(node, fence=fence, number=2, parts=parts)
    for part, octets in ((-1, tbs), (0, b""), (1 << 20, tbs), (0, bytes(PART_OCTETS + 1))):
        with pytest.raises(CrlRefused, match="size"):
            put(node, octets, fence=fence, number=2, part=part)
    assert node.crl() == before


def test_no_clean_up_drops_a_revoked_certificate_before_its_time(node: Node):
    ends_us = START_US + 8 * HOUR_US + 600 * SECOND_US
    node.issue(1, not_after_us=ends_us)
    node.issue(2)
    node.loop.tick()
    node.revoke(1, "keyCompromise")
    node.pass_time(12)
    while node.now_us + HOUR_US < ends_us:
        node.jump(HOUR_US)
        lease = TakeLease(job=PURGE, holder="one/1", every_us=0, lease_us=1)
        fence = node.execute(lease, LeaseAnswer).fence
        assert fence is not None
        node.execute(PurgeExpired(fence=fence), Purged)
        assert node.listed() == {1}, node.now_us
    # It expires, and stands on one scheduled CRL after that: a hurried one does not count.
    node.now_us = ends_us + SECOND_US
    number = node.number()
    node.revoke(2)
    node.pass_time(12)
    assert node.number() == number + 1
    assert node.listed() == {1, 2}
    node.jump(HOUR_US)
    assert node.listed() == {1, 2}
    node.jump(HOUR_US)
    assert node.listed() == {2}


def test_a_list_of_many_parts_is_put_together_and_old_parts_go(node: Node):
    node.issue(1)
    with sqlite3.connect(node.database) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(certificates)")]
        changed = {
            "id": "printf('%032x', n)",
            "serial": "CAST(printf('A%019d', n) AS BLOB)",
            "status": "'revoked'",
            "revoked_us": str(START_US),
            "revocation_reason": "'superseded'",
        }
        values = ", ".join(changed.get(name, name) for name in columns)
        many = "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT 50000)"
        database.execute(f"{many} INSERT INTO certificates SELECT {values} FROM certificates, many")  # noqa: S608
    database.close()
    node.loop.tick()
    assert len(node.crl()) == 50_000
    assert node.published[0].parts == 3
    for _ in range(3):
        node.jump(HOUR_US)
    with sqlite3.connect(node.database) as database:
        kept = database.execute("SELECT DISTINCT number FROM crl_parts ORDER BY 1").fetchall()
    database.close()
    assert kept == [(3,), (4,)]


def test_an_authority_that_is_away_costs_no_number(node: Node):
    execute = node.execute

    def away(command: Command, answer: type[Answer]) -> Answer:
        if isinstance(command, SignCrl):
            raise StoreUnavailable("authority")
        return execute(command, answer)

    node.job._caller.execute = away  # type: ignore[method-assign]
    node.loop.tick()
    assert (node.number(), len(node.told)) == (0, 1)
    del node.job._caller.execute
    node.pass_time(10)
    assert node.number() == 1
