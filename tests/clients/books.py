"""What the server has on record, beside what a client was told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.domain.certificates import CertificateKey, CertificateState
from certctl.domain.ports import Records
from certctl.domain.profiles import AuthMode, Operation
from tests.harness.server import RunningServer

PROFILE = "demo"
# Refusals are recorded within 50 ms; identical ones are folded for up to a second.
WAIT_SECONDS = 10.0
PAUSE_SECONDS = 0.02
PAGE = 100

SUCCESS = {
    Operation.SIMPLEENROLL: (AuditAction.SIMPLE_ENROLL_SUCCESS, Counter.SUCCESS_SIMPLEENROLL),
    Operation.SIMPLEREENROLL: (
        AuditAction.SIMPLE_REENROLL_SUCCESS,
        Counter.SUCCESS_SIMPLEREENROLL,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Inventory and audit trail at one moment."""

    certificates: int
    events: tuple[AuditEvent, ...]
    counts: Mapping[tuple[str, Counter], int]


def books(server: RunningServer) -> Books:
    records = server.records()
    try:
        return Books(
            certificates=_certificates(records),
            events=_events(records),
            counts=dict(records.counts()),
        )
    finally:
        records.close()


def state_of(server: RunningServer, certificate: x509.Certificate) -> CertificateState | None:
    records = server.records()
    try:
        return records.state_of(
            CertificateKey(
                f"{certificate.serial_number:x}", certificate.fingerprint(hashes.SHA256())
            )
        )
    finally:
        records.close()


@contextmanager
def granted(server: RunningServer, operation: Operation, auth_mode: AuthMode) -> Iterator[None]:
    """What happens inside adds exactly one certificate, one event and one count."""
    before = books(server)
    yield
    after = books(server)
    new = after.events[len(before.events) :]
    action, counter = SUCCESS[operation]
    assert [(event.action, event.outcome, event.profile, event.auth_mode) for event in new] == [
        (action, Outcome.SUCCESS, PROFILE, auth_mode)
    ]
    assert after.certificates == before.certificates + 1
    assert _risen(before, after) == {(PROFILE, counter): 1}


@contextmanager
def refused(
    server: RunningServer, action: AuditAction, *, counter: Counter, reason: str
) -> Iterator[None]:
    """What happens inside leaves this refusal on record and nothing else; no certificate."""
    before = books(server)
    yield
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        after = books(server)
        new = after.events[len(before.events) :]
        risen = _risen(before, after)
        times = sum(event.count for event in new)
        if (new and risen.get((PROFILE, counter)) == times) or time.monotonic() > deadline:
            break
        time.sleep(PAUSE_SECONDS)
    kinds = {(event.action, event.outcome, event.details.get("reason")) for event in new}
    assert kinds == {(action, Outcome.FAILURE, reason)}
    assert risen == {(PROFILE, counter): times}
    assert {event.profile for event in new} == {PROFILE}
    assert after.certificates == before.certificates


def _risen(before: Books, after: Books) -> dict[tuple[str, Counter], int]:
    rises = {key: count - before.counts.get(key, 0) for key, count in after.counts.items()}
    return {key: rise for key, rise in rises.items() if rise}


def _certificates(records: Records) -> int:
    number, last = 0, None
    while page := records.certificates(after=last, limit=PAGE):
        number += len(page)
        last = page[-1].id
    return number


def _events(records: Records) -> tuple[AuditEvent, ...]:
    found: list[AuditEvent] = []
    last = 0
    while page := records.events(after_seq=last, limit=PAGE):
        found += [recorded.event for recorded in page]
        last = page[-1].seq
    return tuple(found)
