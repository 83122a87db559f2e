"""Authority, store and jobs of one node, for tests of the CRL job."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from certctl.authority.caller import expect
from certctl.authority.carry_out import Powers
from certctl.authority.commands import (
    Command,
    CrlPartKept,
    CrlPublished,
    LeaseAnswer,
    PutCrlPart,
    SignCrl,
    TakeLease,
)
from certctl.authority.crl import LEASE_US, CrlDrafts, job_name
from certctl.authority.issue import IssuingRules
from certctl.authority.retention import JOB as RETENTION
from certctl.authority.service import AuthorityService
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.crl import CrlRecord
from certctl.domain.errors import Failure
from certctl.domain.ids import sortable_id
from certctl.domain.retention import Retention
from certctl.domain.revocation import RevocationReason
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyType
from certctl.jobs.crl import CrlJob, CrlTimes
from certctl.jobs.loop import JobLoop
from certctl.jobs.retention import RetentionJob
from certctl.store import open_records, open_writable
from certctl.wire.crl import CrlFields, encode_tbs
from certctl.wire.pointers import NO_POINTERS, Pointers
from tests.contract.samples import certificate

Answer = TypeVar("Answer")

START_US = 1_800_000_000_000_000
HOUR_US = 3_600 * SECOND_US
ISSUER = "iss-local"
KEPT_US = 1
"""Whatever has ended may go, so that nothing but the rules of CRLs keeps it."""

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
            powers=Powers(
                crl_drafts=CrlDrafts({ISSUER: self.ca}), retention=Retention(records_us=KEPT_US)
            ),
        )
        self.restart()

    def _ca(self, directory: Path, issuer_id: str, pointers: Pointers = NO_POINTERS) -> LocalCA:
        return LocalCA.open(
            directory,
            issuer_id=issuer_id,
            key_type=KeyType.P256,
            passphrase=None,
            now_us=START_US,
            known_fingerprint=None,
            pointers=pointers,
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

    def execute_each(self, commands: Iterable[Command], answer: type[Answer]) -> int:
        return sum(self.execute(command, answer) is not None for command in commands)

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

    def crl(self, scope: str = ISSUER) -> x509.CertificateRevocationList:
        """As served: put together from the store, and verified with the CA's key."""
        record = self.records.crl(scope)
        assert record is not None
        parts = [self.records.crl_part(scope, record.number, n) for n in range(record.parts)]
        tbs = b"".join(part or b"" for part in parts)
        der = record.seal.around(tbs)
        assert (len(der), hashlib.sha256(tbs).digest()) == (record.size, record.digest)
        crl = x509.load_der_x509_crl(der)
        ca = x509.load_der_x509_certificate(self.ca.ca_chain()[0])
        assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        assert number == record.number
        return crl

    def listed(self, scope: str = ISSUER) -> set[int]:
        """Numbers of the sample certificates that are on the CRL."""
        return {entry.serial_number - (1 << 150) for entry in self.crl(scope)}

    def number(self, scope: str = ISSUER) -> int:
        record = self.records.crl(scope)
        return record.number if record else 0


def taken(node: Node) -> int:
    lease = TakeLease(job=job_name(ISSUER), holder="two/2", every_us=0, lease_us=LEASE_US)
    fence = node.execute(lease, LeaseAnswer).fence
    assert fence is not None
    return fence


def put(
    node: Node,
    tbs: bytes,
    *,
    fence: int,
    number: int,
    part: int = 0,
    delta: bool = False,
    partition: int | None = None,
) -> None:
    node.execute(
        PutCrlPart(
            fence=fence,
            issuer_id=ISSUER,
            number=number,
            part=part,
            octets=tbs,
            delta=delta,
            partition=partition,
        ),
        CrlPartKept,
    )


def sign(
    node: Node,
    *,
    fence: int,
    number: int,
    parts: int = 1,
    delta: bool = False,
    partition: int | None = None,
) -> None:
    node.execute(
        SignCrl(
            fence=fence,
            issuer_id=ISSUER,
            number=number,
            parts=parts,
            scheduled=True,
            stamp="0",
            delta=delta,
            partition=partition,
        ),
        CrlPublished,
    )


def tbs_of(node: Node, ca: LocalCA, *, number: int, now_us: int | None = None) -> bytes:
    now_us = now_us or node.now_us
    fields = CrlFields(number=number, this_update_us=now_us, next_update_us=now_us + DAY_US)
    return encode_tbs(ca.crl_issuer, fields, ())


def retention(node: Node) -> set[str]:
    """A run of the job; gives which certificates are on record then."""
    job = RetentionJob(node.records, node, Retention(records_us=KEPT_US), clock=lambda: node.now_us)
    lease = TakeLease(job=RETENTION, holder="one/1", every_us=0, lease_us=1)
    fence = node.execute(lease, LeaseAnswer).fence
    assert fence is not None
    job.run(fence)
    return {each.id for each in node.records.certificates()}
