"""Operators who revoke, one by one and in bulk, and put on hold and release; through trouble.

Commands go over the authority's socket, as host commands do, and are given again until
they are confirmed. Whoever was revoked then tries to renew: after the confirmation the
server must refuse it, whoever was killed in between.
"""

from __future__ import annotations

import http
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError

from certctl.authority.bulk_revocation import BulkRevocation
from certctl.authority.caller import AuthorityCaller, expect
from certctl.authority.commands import (
    BeginBulkRevoke,
    BulkRevokeBegun,
    CertificateReleased,
    Command,
    CommandResult,
    ReleaseCertificate,
    RevocationDone,
    RevokeCertificate,
    RevokeSlice,
    SliceRevoked,
)
from certctl.domain.bulk_revocation import RevocationCriteria
from certctl.domain.errors import Conflict, Failure, StoreUnavailable
from certctl.domain.inventory import CertificateFilter
from certctl.domain.revocation import RevocationReason
from certctl.store import StoreError
from certctl.wiring import sockets
from certctl.wiring.clock import system_clock
from certctl.wiring.ids import new_ids
from tests.chaos.load import ANSWER_SECONDS, PAUSE_SECONDS, Applicant, NoAnswer
from tests.chaos.revocations import Confirmed
from tests.harness.device import Device

ACTOR = "host:chaos"
BATCH = 4
REASONS = (
    RevocationReason.KEY_COMPROMISE,
    RevocationReason.SUPERSEDED,
    RevocationReason.CESSATION_OF_OPERATION,
)

Answer = TypeVar("Answer", bound=CommandResult)


@dataclass
class Confirmations:
    """All of them, in the order of each certificate. Written by many threads."""

    all: list[Confirmed] = field(default_factory=list)
    repeated: int = 0
    """Commands that were given again, because nobody could say what had become of them."""
    refused: int = 0
    """Renewals that were refused because the certificate was revoked."""
    bulks: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, *confirmed: Confirmed, bulk: bool = False) -> None:
        with self._lock:
            self.all += confirmed
            self.bulks += bulk

    def note_repeated(self) -> None:
        with self._lock:
            self.repeated += 1

    def note_refused(self) -> None:
        with self._lock:
            self.refused += 1


class Revoker(threading.Thread):
    """Enrolls devices of its own and revokes them, until told to stop."""

    def __init__(
        self,
        number: int,
        applicant: Applicant,
        confirmations: Confirmations,
        *,
        directory: Path,
        think_seconds: float,
    ) -> None:
        super().__init__(name=f"revoker-{number}", daemon=True)
        self._number = number
        self._applicant = applicant
        self._confirmations = confirmations
        self._directory = directory
        self._think_seconds = think_seconds
        self._random = random.Random(number)  # noqa: S311 - no secret is made of it
        self._ending = threading.Event()
        run = applicant.server.ca_file.parent / sockets.RUN_DIRECTORY
        self._caller = AuthorityCaller(partial(sockets.connect, run))

    def stop(self) -> None:
        self._ending.set()

    def run(self) -> None:
        turn = 0
        ways = (self._single, self._hold, self._single, self._bulk)
        while not self._ending.wait(self._think_seconds):
            turn += 1
            try:
                ways[turn % len(ways)](f"revoked-{self._number}-{turn}")
            except (NoAnswer, Failure, StoreError) as failed:
                problem = f"{self.name}: {type(failed).__name__}: {failed}"
                self._applicant.ledger.note_problem(problem)
                break
        self._caller.close()

    def _single(self, name: str) -> None:
        device = self._device(name)
        self._revoke(self._id(device), self._random.choice(REASONS))
        self._require_refused(device)

    def _hold(self, name: str) -> None:
        device = self._device(name)
        certificate_id = self._id(device)
        self._revoke(certificate_id, RevocationReason.CERTIFICATE_HOLD)
        self._require_refused(device)
        try:
            self._confirmed(
                ReleaseCertificate(certificate_id=certificate_id, actor=ACTOR), CertificateReleased
            )
        except Conflict as conflict:
            # The release whose answer was lost had been done.
            if "it is valid" not in str(conflict):
                raise
        self._confirmations.note(Confirmed(certificate_id, None))
        successor = Device(self._directory, common_name=name)
        self._applicant.ask(self._applicant.renewal(successor, device))

    def _bulk(self, name: str) -> None:
        devices = [self._device(f"{name}-{n}", user=name) for n in range(BATCH)]
        ids = [self._id(each) for each in devices]
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self._bulk_done(name, deadline):
            # Given again it goes on with the rest, as an operator is told to do.
            self._confirmations.note_repeated()
            time.sleep(PAUSE_SECONDS)
        reason = RevocationReason.AFFILIATION_CHANGED
        self._confirmations.note(*(Confirmed(each, reason) for each in ids), bulk=True)
        for device in devices:
            self._require_refused(device)

    def _bulk_done(self, principal: str, deadline: float) -> bool:
        try:
            records = self._applicant.server.records()
        except (StoreError, StoreUnavailable):
            return self._in_time(deadline)
        try:
            totals = BulkRevocation(
                RevocationCriteria(principal=principal),
                RevocationReason.AFFILIATION_CHANGED,
                actor=ACTOR,
                operation=new_ids(system_clock)(),
                records=records,
                now_us=system_clock(),
            ).run(self._carry_out)
        except (StoreError, StoreUnavailable, SQLAlchemyError):
            return self._in_time(deadline)
        finally:
            records.close()
        if totals.total_matched != BATCH:
            raise NoAnswer(f"bulk revocation of {principal} matched {totals.total_matched}")
        return True

    def _carry_out(self, command: BeginBulkRevoke | RevokeSlice) -> SliceRevoked | BulkRevokeBegun:
        result = self._caller.run(command)
        return result if isinstance(result, BulkRevokeBegun) else expect(result, SliceRevoked)

    def _in_time(self, deadline: float) -> bool:
        if time.monotonic() > deadline:
            raise NoAnswer(f"no bulk revocation in {ANSWER_SECONDS} s")
        return False

    def _revoke(self, certificate_id: str, reason: RevocationReason) -> None:
        self._confirmed(
            RevokeCertificate(certificate_id=certificate_id, reason=reason, actor=ACTOR),
            RevocationDone,
        )
        self._confirmations.note(Confirmed(certificate_id, reason))

    def _confirmed(self, command: Command, answer: type[Answer]) -> Answer:
        """Give a command until its answer comes.

        Raises:
            NoAnswer: not in ``ANSWER_SECONDS``.
            Failure: it was refused for another reason than that the store is away.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                return self._caller.execute(command, answer)
            except StoreUnavailable:
                self._confirmations.note_repeated()
                time.sleep(PAUSE_SECONDS)
        raise NoAnswer(f"{type(command).__name__}: nothing in {ANSWER_SECONDS} s")

    def _device(self, name: str, *, user: str | None = None) -> Device:
        device = Device(self._directory, common_name=name)
        received = self._applicant.ask(self._applicant.enrollment(device, user=user))
        device.certificate = x509.load_der_x509_certificate(received.certificate)
        return device

    def _id(self, device: Device) -> str:
        """What was received is on record at once, for readers too."""
        assert device.certificate is not None
        wanted = CertificateFilter(serial=f"{device.certificate.serial_number:x}")
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                records = self._applicant.server.records()
            except (StoreError, StoreUnavailable):
                time.sleep(PAUSE_SECONDS)
                continue
            try:
                rows: Sequence[str] = [e.id for e in records.search(wanted, system_clock()).rows]
            except (StoreError, StoreUnavailable, SQLAlchemyError):
                time.sleep(PAUSE_SECONDS)
                continue
            finally:
                records.close()
            if len(rows) != 1:
                raise NoAnswer(f"{len(rows)} certificates on record with serial {wanted.serial}")
            return rows[0]
        raise NoAnswer(f"the records cannot be read for {ANSWER_SECONDS} s")

    def _require_refused(self, device: Device) -> None:
        successor = Device(self._directory, common_name=device.common_name)
        request = self._applicant.renewal(successor, device)
        answer = self._applicant.answer(request)
        if answer.status != http.HTTPStatus.UNAUTHORIZED or "revoked" not in answer.text:
            raise NoAnswer(f"renewal of the revoked {device.common_name}: {answer.text}")
        self._confirmations.note_refused()
