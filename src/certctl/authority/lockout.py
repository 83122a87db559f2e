"""The lock-out, judged inside a transaction (est §3): the one place where guesses count.

Workers look before they compare a password, but they see only what is committed. Here
all attempts come one after the other, so that guesses in parallel get no more answers
than guesses in a row, and a right one among too many wrong ones is refused like them.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import structs

from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.errors import LockedOut
from certctl.domain.lockout import (
    MAX_SOURCES,
    Lockout,
    LockoutRule,
    current,
    locked_seconds,
    one_more,
    source_key,
)
from certctl.domain.ports import FactReads, Transaction, WrongAttempt


class Attempt(NamedTuple):
    """A password that was tried from an address; ``wrong`` None: it was right."""

    address: str
    wrong: WrongAttempt | None


@dataclass(slots=True, kw_only=True)
class Sources:
    """The lock-outs that one transaction knows: as read, then as its attempts change them."""

    rule: LockoutRule
    now_us: int
    rows: dict[str, Lockout]
    _changed: set[str] = field(default_factory=set)
    _grown: bool = False

    def wrong(self, address: str) -> int:
        """Count a wrong password; gives how many there were.

        Raises:
            LockedOut: the source has to wait; not counted.
        """
        source = source_key(address)
        row = self._open_row(source)
        self._grown = self._grown or row is None
        self._changed.add(source)
        self.rows[source] = one_more(row, source, self.now_us)
        return self.rows[source].failures

    def right(self, address: str) -> None:
        """A right password clears the count.

        Raises:
            LockedOut: the source has to wait.
        """
        source = source_key(address)
        if self._open_row(source) is not None:
            self._changed.add(source)
            del self.rows[source]

    def keep(self, transaction: Transaction) -> None:
        """Write what has changed."""
        if not self._changed:
            return
        transaction.record_lockouts([self.rows[s] for s in self._changed if s in self.rows])
        transaction.clear_lockouts([s for s in self._changed if s not in self.rows])
        if self._grown:
            transaction.bound_lockouts(self.now_us - self.rule.window_us, MAX_SOURCES)

    def _open_row(self, source: str) -> Lockout | None:
        """The row as it counts now, unless the source is locked out."""
        known = self.rows.get(source)
        row = current(known, self.rule, self.now_us)
        if row is not known:
            # Its window is over, or the clock was set back behind its beginning.
            self._changed.add(source)
            self.rows.pop(source)
            if row is not None:
                self.rows[source] = row
        if row is not None and (seconds := locked_seconds(row, self.rule, self.now_us)):
            raise LockedOut(retry_after=seconds, failures=row.failures)
        return row


def hold_sources(addresses: Collection[str], transaction: Transaction) -> None:
    """Before wrong passwords are counted: no other node counts for these meanwhile.

    A right password alone changes nothing where nothing is counted, and need not hold.
    """
    keys = {source_key(address) for address in addresses}
    if keys:
        transaction.hold_sources(keys)


def read_sources(
    addresses: Collection[str], records: FactReads, rule: LockoutRule, now_us: int
) -> Sources:
    """Ask the records about these addresses, once for all of them."""
    keys = {source_key(address) for address in addresses}
    rows = dict(records.lockouts(keys)) if keys else {}
    return Sources(rule=rule, now_us=now_us, rows=rows)


@dataclass(slots=True)
class Judged:
    """What a row of attempts came to; ``outcomes`` in their order, None: go on."""

    outcomes: list[LockedOut | None] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)
    counts: Tally[tuple[str, Counter]] = field(default_factory=Tally)


def judge(attempts: Sequence[Attempt], sources: Sources) -> Judged:
    """Count one attempt after the other; each wrong one that counts leaves its event."""
    judged = Judged()
    for attempt in attempts:
        try:
            if attempt.wrong is None:
                sources.right(attempt.address)
            else:
                failures = sources.wrong(attempt.address)
                event = attempt.wrong.event
                told = {**event.details, "failures": failures}
                judged.events.append(structs.replace(event, details=told))
                judged.counts[event.profile, attempt.wrong.counter] += event.count
        except LockedOut as refused:
            judged.outcomes.append(refused)
        else:
            judged.outcomes.append(None)
    return judged
