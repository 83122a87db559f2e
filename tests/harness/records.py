"""What a server has on record, read beside it, and what an attack has added to it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509

from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome, RecordedEvent
from certctl.domain.ports import Records
from tests.harness.http import basic, tls_context
from tests.harness.raw import RawClient, post
from tests.harness.server import RunningServer

WAIT_SECONDS = 15.0
PAUSE_SECONDS = 0.02
PAGE = 1_000
# Workers share the port by chance: so many marks reach all of them.
MARKS = 4

Counts = Mapping[tuple[str, Counter], int]


class NotOnRecord(AssertionError):
    """The records did not come to hold what they should; the text shows what they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What one kind of refusal leaves (records §6); ``reason`` or, for policy, dimension."""

    action: AuditAction
    reason: str
    counter: Counter
    times: int = 1
    profile: str = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What came on record between two moments."""

    events: tuple[AuditEvent, ...]
    counts: dict[tuple[str, Counter], int]
    issued: int

    def refusals(self) -> dict[tuple[str, str, str], int]:
        """(profile, action, reason) → how often, folded events counted in full."""
        found: dict[tuple[str, str, str], int] = {}
        for event in self.events:
            if event.outcome is Outcome.FAILURE:
                key = (event.profile, event.action, reason_of(event))
                found[key] = found.get(key, 0) + event.count
        return found

    def summary(self) -> str:
        return (
            f"{self.refusals()}, {self.counts}, {self.issued} issued,"
            f" {self.successes()} grants; first {self.events[:3]}"
        )

    def successes(self) -> int:
        """Grants: other things that went well, such as a revocation, are none."""
        return sum(1 for event in self.events if event.action.endswith("_success"))


@dataclass
class Ledger:
    """Remembers the records at its making; ``expect`` compares with now."""

    server: RunningServer
    path: str = "/.well-known/est/demo/simpleenroll"
    marks: int = MARKS
    _seq: int = field(init=False)
    _counts: dict[tuple[str, Counter], int] = field(init=False)
    _certificates: int = field(init=False)
    _marked: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        recorded, totals, self._certificates = _everything(self.server)
        self._seq = recorded[-1].seq if recorded else 0
        self._counts = dict(totals)

    def expect(self, *refused: Refused, issued: int = 0, repeated: int = 0) -> Change:
        """Exactly these refusals and grants, and nothing else, have come on record.

        ``repeated`` grants gave a certificate that had been issued before.

        Raises:
            NotOnRecord: within the time limit they did not, or something else did.
        """
        wanted = {(each.profile, each.action, each.reason): each.times for each in refused}
        ticked: dict[tuple[str, Counter], int] = {}
        for each in refused:
            key = (each.profile, each.counter)
            ticked[key] = ticked.get(key, 0) + each.times
        grants = issued + repeated
        deadline = time.monotonic() + WAIT_SECONDS
        while (change := self.change()).refusals() != wanted or change.successes() != grants:
            if time.monotonic() > deadline or set(change.refusals()) - set(wanted):
                raise NotOnRecord(f"wanted {wanted} and {grants} grants, found {change.summary()}")
            time.sleep(PAUSE_SECONDS)
        self._put_marks()
        change = self.change()
        failed = {key: count for key, count in change.counts.items() if key[1] not in _SUCCESS}
        found = (change.refusals(), failed, change.issued, change.successes())
        if found != (wanted, ticked, issued, grants):
            raise NotOnRecord(
                f"wanted {wanted}, {ticked}, {issued} issued; found {change.summary()}"
            )
        return change

    def expect_nothing(self) -> None:
        """Not a trace: no event, no counter, no certificate."""
        self.expect()

    def change(self) -> Change:
        """What was added so far, without the ledger's own marks."""
        recorded, totals, certificates = _everything(self.server, after=self._seq)
        added = [each.event for each in recorded if each.event.source_address not in self._marked]
        now = dict(totals)
        key = (self.path.split("/")[3], Counter.AUTH_FAILED_BASIC)
        now[key] = now.get(key, 0) - len(self._marked)
        rises = {each: count - self._counts.get(each, 0) for each, count in now.items()}
        return Change(
            events=tuple(added),
            counts={each: rise for each, rise in rises.items() if rise},
            issued=certificates - self._certificates,
        )

    def _put_marks(self) -> None:
        """Refusals of our own through every worker: what came before them is on record."""
        sources: list[str] = []
        wrong = basic("mark", "not-the-password")["Authorization"]
        context = tls_context(self.server.ca_file)
        for _ in range(self.marks):
            with RawClient(self.server, context=context) as client:
                sources.append(client.source)
                client.send(post(self.path, b"", f"Authorization: {wrong}"))
                assert client.answer().status == 401
        self._marked += sources
        deadline = time.monotonic() + WAIT_SECONDS
        while not set(sources) <= {
            each.event.source_address for each in all_events(self.server, after=self._seq)
        }:
            if time.monotonic() > deadline:
                raise NotOnRecord("the ledger's own marks never came on record")
            time.sleep(PAUSE_SECONDS)


_SUCCESS = frozenset(
    {
        Counter.SUCCESS_SIMPLEENROLL,
        Counter.SUCCESS_SIMPLEREENROLL,
        Counter.SUCCESS_SERVERKEYGEN,
    }
)


@contextmanager
def refused(
    server: RunningServer,
    action: AuditAction,
    reason: str,
    counter: Counter,
    *,
    times: int = 1,
    profile: str = "demo",
) -> Iterator[None]:
    """What happens inside leaves this refusal on record, so often, and nothing else."""
    ledger = Ledger(server, path=f"/.well-known/est/{profile}/simpleenroll")
    yield
    ledger.expect(
        Refused(action=action, reason=reason, counter=counter, times=times, profile=profile)
    )


@contextmanager
def untouched(server: RunningServer) -> Iterator[None]:
    """What happens inside leaves no trace in the records (gates 1 and 2, handshakes)."""
    ledger = Ledger(server)
    yield
    ledger.expect_nothing()


def wait_for_event(
    server: RunningServer, action: AuditAction, reason: str, *, after: int = 0
) -> AuditEvent:
    """The first event of this action and reason, once it is on record.

    Raises:
        NotOnRecord: it does not come.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        recorded = all_events(server, after=after)
        for each in recorded:
            if each.event.action is action and reason_of(each.event) == reason:
                return each.event
        if time.monotonic() > deadline:
            raise NotOnRecord(f"no {action} {reason} among {[each.event for each in recorded]}")
        time.sleep(PAUSE_SECONDS)


def revoke(server: RunningServer, certificate: x509.Certificate | None) -> None:
    """Revoke a certificate on record, behind the server's back."""
    assert certificate is not None
    serial = f"{certificate.serial_number:x}"
    with contextlib.closing(sqlite3.connect(server.database, timeout=10)) as database, database:
        changed = database.execute(
            "UPDATE certificates SET status='revoked', revoked_us=1,"
            " revocation_reason='superseded' WHERE lower(hex(serial)) LIKE ?",
            (f"%{serial}",),
        )
        assert changed.rowcount == 1


def reason_of(event: AuditEvent) -> str:
    return str(event.details.get("reason", event.details.get("dimension", "")))


def all_events(server: RunningServer, *, after: int = 0) -> list[RecordedEvent]:
    """Events with a number above ``after``, oldest first."""
    with _records(server) as records:
        return _events(records, after)


def counts(server: RunningServer) -> Counts:
    with _records(server) as records:
        return records.counts()


def certificate_count(server: RunningServer) -> int:
    with _records(server) as records:
        return _certificates(records)


def _everything(
    server: RunningServer, *, after: int = 0
) -> tuple[list[RecordedEvent], Counts, int]:
    with _records(server) as records:
        return _events(records, after), records.counts(), _certificates(records)


@contextmanager
def _records(server: RunningServer) -> Iterator[Records]:
    records = server.records()
    try:
        yield records
    finally:
        records.close()


def _events(records: Records, after: int) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    while page := records.events(after_seq=found[-1].seq if found else after, limit=PAGE):
        found += page
    return found


def _certificates(records: Records) -> int:
    number, last = 0, None
    while page := records.certificates(after=last, limit=PAGE):
        number += len(page)
        last = page[-1].id
    return number
