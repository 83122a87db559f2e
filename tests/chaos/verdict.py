"""What a stopped server has on record, held against what its clients were given.

Reads the store as a host command would. Every promise of records §1 that a kill could
break is one named check; a broken one becomes a sentence, so that all are seen at once.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certctl.authority.verify import Broken, verify
from certctl.domain.audit import AuditAction, Counter, RecordedEvent
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.store import open_records, open_writable
from tests.chaos.revocations import Confirmed, check_revocations
from tests.chaos.told import check_told
from tests.harness.receiver import Post

PAGE = 1_000
SHOWN = 5
"""Examples of one kind of fault in the report; the rest is counted."""

GRANTS = {
    AuditAction.SIMPLE_ENROLL_SUCCESS: Counter.SUCCESS_SIMPLEENROLL,
    AuditAction.SIMPLE_REENROLL_SUCCESS: Counter.SUCCESS_SIMPLEREENROLL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A certificate (DER) that a client was given for a CSR (SHA-256 of its DER)."""

    csr_sha256: bytes
    certificate: bytes
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything on record that a client caused, and the whole audit chain.

    Attributes:
        seals: checkpoints of the audit trail.
    """

    certificates: Sequence[CertificateRecord]
    events: Sequence[RecordedEvent]
    counts: dict[tuple[str, Counter], int]
    seals: int

    def by_csr(self) -> dict[bytes, list[CertificateRecord]]:
        found: dict[bytes, list[CertificateRecord]] = {}
        for record in self.certificates:
            found.setdefault(record.csr_sha256, []).append(record)
        return found

    def grants(self) -> list[RecordedEvent]:
        return [each for each in self.events if each.event.action in GRANTS]


@dataclass(slots=True)
class Verdict:
    """Numbers for the report, and every broken promise as a sentence."""

    received: int = 0
    on_record: int = 0
    grants: int = 0
    repeats: int = 0
    lost: int = 0
    doubled: int = 0
    revoked: int = 0
    posts: int = 0
    told: int = 0
    seals: int = 0
    problems: list[str] = field(default_factory=list)

    def blame(self, what: str, cases: Iterable[object]) -> int:
        found = [*cases]
        if found:
            examples = ", ".join(map(str, found[:SHOWN]))
            self.problems.append(f"{what}: {len(found)} ({examples})")
        return len(found)


def read_books(database: Path | str) -> Books:
    """Read a store whose server is stopped: SQLite's file or any store's URL."""
    records = open_records(database if isinstance(database, str) else f"sqlite:///{database}")
    try:
        certificates: list[CertificateRecord] = []
        after = None
        while page := records.certificates(after=after, limit=PAGE):
            certificates += [each for each in page if each.source is CertificateSource.EST]
            after = page[-1].id
        events: list[RecordedEvent] = []
        while more := records.events(after_seq=events[-1].seq if events else 0, limit=PAGE):
            events += more
        seals = 0
        while sealed := records.checkpoints(after=seals, limit=PAGE):
            seals = sealed[-1].number
        return Books(
            certificates=certificates, events=events, counts=dict(records.counts()), seals=seals
        )
    finally:
        records.close()


def judge(
    database: Path | str,
    received: Sequence[Received],
    *,
    confirmed: Sequence[Confirmed] = (),
    posts: Iterable[Post] | None = None,
) -> tuple[Verdict, Books]:
    """Every check on a stopped server's store, and what was read for it.

    ``database`` is SQLite's file or any store's URL; ``posts`` is what a receiver of all
    events was sent.
    """
    books = read_books(database)
    verdict = Verdict(received=len(received), on_record=len(books.certificates), seals=books.seals)
    _nothing_lost(verdict, books, received)
    _nothing_doubled(verdict, books, received)
    _audit_matches(verdict, books, received)
    _counters_match(verdict, books)
    _chain_holds(verdict, books.events)
    check_revocations(verdict, books, confirmed)
    if posts is not None:
        check_told(verdict, books, posts)
    if isinstance(database, Path):
        _file_is_sound(verdict, database)
    return verdict, books


def _nothing_lost(verdict: Verdict, books: Books, received: Sequence[Received]) -> None:
    on_record = {(each.csr_sha256, each.der, each.serial) for each in books.certificates}
    lost = {(each.csr_sha256, each.certificate, each.serial) for each in received} - on_record
    verdict.lost = verdict.blame(
        "received by a client, not on record byte for byte", (serial for *_, serial in lost)
    )


def _nothing_doubled(verdict: Verdict, books: Books, received: Sequence[Received]) -> None:
    recorded = [csr for csr, records in books.by_csr().items() if len(records) > 1]
    given: dict[bytes, set[bytes]] = {}
    for each in received:
        given.setdefault(each.csr_sha256, set()).add(each.certificate)
    answered = [csr for csr, certificates in given.items() if len(certificates) > 1]
    verdict.doubled = verdict.blame(
        "requests with two certificates on record", (csr.hex() for csr in recorded)
    )
    verdict.doubled += verdict.blame(
        "requests answered with two certificates", (csr.hex() for csr in answered)
    )


def _audit_matches(verdict: Verdict, books: Books, received: Sequence[Received]) -> None:
    """Each certificate has the one event of its issuing; each event has its certificate."""
    grants = books.grants()
    issued = {each.id: each.serial for each in books.certificates}
    told = Tally(each.event.resource_id for each in grants if each.event.resource_id)
    serials = {str(each.event.details["serial"]) for each in grants}
    verdict.grants, verdict.repeats = len(grants), len(grants) - told.total()
    verdict.blame("certificates without their event", (i for i in issued if told[i] == 0))
    verdict.blame("certificates with two events", (i for i in issued if told[i] > 1))
    verdict.blame("events without their certificate", (i for i in told if i not in issued))
    verdict.blame(
        "events that name another serial",
        (
            each.event.resource_id
            for each in grants
            if each.event.resource_id in issued
            and issued[each.event.resource_id] != each.event.details["serial"]
        ),
    )
    verdict.blame("repeats of an unknown serial", serials - set(issued.values()))
    verdict.blame("received without a success event", {each.serial for each in received} - serials)


def _counters_match(verdict: Verdict, books: Books) -> None:
    told = Tally((e.event.profile, GRANTS[e.event.action]) for e in books.grants())
    counted = {key: n for key, n in books.counts.items() if key[1] in GRANTS.values()}
    verdict.blame(
        "counters that differ from the success events",
        (
            f"{profile} {counter.value}: {counted.get((profile, counter), 0)} counted,"
            f" {told[profile, counter]} events"
            for profile, counter in sorted(counted.keys() | told.keys())
            if counted.get((profile, counter), 0) != told[profile, counter]
        ),
    )


def _chain_holds(verdict: Verdict, events: Sequence[RecordedEvent]) -> None:
    chains: dict[str, list[RecordedEvent]] = {}
    for each in events:
        chains.setdefault(each.node, []).append(each)
    if len(chains) != 1:
        verdict.problems.append(f"one node, but {len(chains)} audit chains: {[*chains]}")
    for node, chain in chains.items():
        try:
            verify((), chain, keys={})
        except Broken as broken:
            verdict.problems.append(f"the chain of {node} breaks at {broken}")
        verdict.blame(
            "audit times that go back",
            (
                f"{after.seq}: {(before.event.time_us - after.event.time_us) / SECOND_US:.3f} s"
                for before, after in itertools.pairwise(chain)
                if after.event.time_us < before.event.time_us
            ),
        )


def _file_is_sound(verdict: Verdict, database: Path) -> None:
    for line in _pragma(database, "integrity_check"):
        if line != "ok":
            verdict.problems.append(f"integrity_check: {line}")
    for line in _pragma(database, "foreign_key_check"):
        verdict.problems.append(f"foreign_key_check: {line}")
    before = _node(database)
    store = open_writable(f"sqlite:///{database}", node="another-name")
    try:
        if store.node != before:
            verdict.problems.append(f"the node was {before} and is now {store.node}")
    finally:
        store.close()


def _pragma(database: Path, name: str) -> Iterator[str]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        for row in connection.execute(f"PRAGMA {name}"):
            yield str(row[0])
    finally:
        connection.close()


def _node(database: Path) -> str:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        (name,) = connection.execute("SELECT value FROM meta WHERE name = 'node'").fetchone()
        return str(name)
    finally:
        connection.close()
