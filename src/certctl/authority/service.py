"""Group commit: everything that arrived in one turn becomes one transaction.

Order of the law: check → sign → {certificate, repetition, audit, counter} durable →
answer. A signature that was not committed never leaves this process. When a batch
meets a doubled key or a fault, nothing of it is kept and it is run again one by one,
so that one request's trouble is not its neighbours'.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from certctl.authority.approval import approved_request, begin
from certctl.authority.audit import Chain
from certctl.authority.carry_out import Powers, carry_out
from certctl.authority.commands import Command, CommandResult
from certctl.authority.facts import Facts, gather, limit_key_of
from certctl.authority.issue import (
    Checked,
    Fulfilled,
    IssuingRules,
    repeated_event,
    require_good_credential,
)
from certctl.authority.lockout import Attempt, judge, read_sources
from certctl.authority.outbox import Outbox
from certctl.authority.renew import require_renewable, supersede
from certctl.domain.approval import POLL_SECONDS, RequestStatus, WaitingRequest
from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.clock import Clock
from certctl.domain.errors import (
    Failure,
    InternalError,
    Pending,
    RequestMalformed,
    StoreUnavailable,
)
from certctl.domain.events import Event
from certctl.domain.ids import NewId
from certctl.domain.limit import WINDOW_US, one_more, require_room, window
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Issued, Order
from certctl.domain.ports import DuplicateKey, Transaction, WritableStore
from certctl.domain.profiles import AuthMode
from certctl.domain.revocation import RevocationReason

# Refusals that could not be recorded wait here while the store is away; beyond this
# many the oldest counts are folded into what is kept (each is a folded event already).
MAX_WAITING_REFUSALS = 10_000

# A batch drops as many windows that count no longer as it has counted in, and so many
# more: the table shrinks back after a flood without one long delete.
FORGOTTEN_MORE = 8

Refusal = tuple[AuditEvent, Counter | None]
Outcome = Issued | Failure

T = TypeVar("T")


@dataclass(slots=True)
class _Turn:
    """What one transaction will record."""

    fulfilled: list[Fulfilled] = field(default_factory=list)
    requests: list[WaitingRequest] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    hits: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    counts: Tally[tuple[str, Counter]] = field(default_factory=Tally)
    outcomes: list[Outcome] = field(default_factory=list)


class AuthorityService:
    """Fulfils orders and records refusals; one thread, no I/O but the store's."""

    def __init__(
        self,
        store: WritableStore,
        rules: IssuingRules,
        *,
        node: str,
        clock: Clock,
        new_id: NewId,
        on_fault: Callable[[BaseException], None],
        powers: Powers | None = None,
        lockout: LockoutRule | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        """Without ``outbox`` no other system is told of anything."""
        self._powers = powers or Powers()
        self._store = store
        self._rules = rules
        self._node = node
        self._clock = clock
        self._new_id = new_id
        self._on_fault = on_fault
        self._lockout = lockout or LockoutRule()
        self._outbox = outbox
        self._waiting: list[Refusal] = []
        self.resume()

    def resume(self) -> None:
        """Take up the audit chain where the store has it, after others wrote to it."""
        with self._store.transaction() as transaction:
            self._chain = Chain(self._node, transaction.last_event(self._node))

    def run(self, orders: Sequence[Order], refusals: Sequence[Refusal] = ()) -> list[Outcome]:
        """Answer orders, in their order; every ``Issued`` is durable on return."""
        waiting = [*self._waiting, *refusals]
        self._waiting = []
        try:
            return self._run_together(orders, waiting)
        except StoreUnavailable as failure:
            self._keep(waiting)
            return [failure] * len(orders)
        except DuplicateKey:
            return self._run_one_by_one(orders, waiting)
        except Exception as fault:  # noqa: BLE001 - an edge: the authority must outlive one order
            self._on_fault(fault)
            return self._run_one_by_one(orders, waiting)

    def execute(self, command: Command) -> CommandResult | Failure:
        """Run one command as one transaction; what it did is durable on return."""
        return self._attempted(lambda: self._execute(command))

    def judge(self, attempts: Sequence[Attempt]) -> list[Failure | None]:
        """Count passwords that were tried; None: not locked out, and durable on return."""
        outcomes = self._attempted(lambda: self._judge(attempts))
        return [outcomes] * len(attempts) if isinstance(outcomes, Failure) else outcomes

    def _attempted(self, work: Callable[[], T]) -> T | Failure:
        """Do something that is one transaction; a fault of it stays its own."""
        try:
            return work()
        except DuplicateKey:
            # Our place in the audit chain, or a key that another node took meanwhile.
            try:
                self.resume()
                return work()
            except (DuplicateKey, StoreUnavailable) as err:
                self._on_fault(err)
                return StoreUnavailable("store")
        except Failure as failure:
            return failure
        except Exception as fault:  # noqa: BLE001 - an edge: the authority must outlive one piece of work
            self._on_fault(fault)
            return InternalError()

    def _execute(self, command: Command) -> CommandResult:
        with self._store.transaction() as transaction:
            done = carry_out(command, transaction, self._powers, self._clock())
            recorded = self._put(done.events, {}, transaction, notices=done.notices)
        self._chain.advance(recorded)
        if done.after is not None:
            done.after()
        return done.result

    def _judge(self, attempts: Sequence[Attempt]) -> list[Failure | None]:
        with self._store.transaction() as transaction:
            addresses = {attempt.address for attempt in attempts}
            sources = read_sources(addresses, transaction, self._lockout, self._clock())
            judged = judge(attempts, sources)
            sources.keep(transaction)
            recorded = self._put(judged.events, judged.counts, transaction)
        self._chain.advance(recorded)
        return [*judged.outcomes]

    def record(self, event: AuditEvent) -> None:
        """Put one event on record; it waits for the store if need be."""
        self.run((), [(event, None)])

    def flush(self) -> None:
        """Try again to record refusals that had to wait for the store."""
        if self._waiting:
            self.run(())

    def _run_one_by_one(self, orders: Sequence[Order], refusals: list[Refusal]) -> list[Outcome]:
        try:
            # The doubled key may be our own place in the chain, if others wrote to it.
            self.resume()
        except StoreUnavailable as failure:
            self._keep(refusals)
            return [failure] * len(orders)
        outcomes: list[Outcome] = []
        for order in orders:
            try:
                outcomes += self._run_together((order,), [])
            except StoreUnavailable as failure:
                outcomes.append(failure)
            except DuplicateKey:
                # Another node won the race for this very request: the repeat finds it.
                outcomes += self._repeat(order)
            except Exception as fault:  # noqa: BLE001 - an edge, as above
                self._on_fault(fault)
                outcomes.append(InternalError())
        for refusal in refusals:
            try:
                self._run_together((), [refusal])
            except StoreUnavailable:
                self._keep([refusal])
            except Exception as fault:  # noqa: BLE001 - an edge, as above
                self._on_fault(fault)
        return outcomes

    def _repeat(self, order: Order) -> list[Outcome]:
        try:
            return self._run_together((order,), [])
        except (DuplicateKey, StoreUnavailable) as err:
            self._on_fault(err)
            return [StoreUnavailable("store")]

    def _keep(self, refusals: list[Refusal]) -> None:
        self._waiting = [*self._waiting, *refusals][-MAX_WAITING_REFUSALS:]

    def _run_together(self, orders: Sequence[Order], refusals: list[Refusal]) -> list[Outcome]:
        turn = _Turn()
        recorded: list[RecordedEvent] = []
        with self._store.transaction() as transaction:
            if orders:
                self._fulfil(orders, turn, transaction)
            for event, counter in refusals:
                turn.events.append(event)
                if counter is not None:
                    turn.counts[event.profile, counter] += event.count
            recorded = self._record(turn, transaction)
        self._chain.advance(recorded)
        return turn.outcomes

    def _fulfil(self, orders: Sequence[Order], turn: _Turn, transaction: Transaction) -> None:
        facts = gather(
            orders,
            transaction,
            self._clock(),
            needs_approval=self._rules.needs_approval,
            lockout=self._lockout,
        )
        for order in orders:
            try:
                self._decide(order, facts, turn)
            except RequestMalformed as fault:
                # Workers send only what they have read: this is our fault, not the client's.
                self._on_fault(fault)
                turn.outcomes.append(InternalError())
            except Failure as failure:
                turn.outcomes.append(failure)
        facts.sources.keep(transaction)

    def _decide(self, order: Order, facts: Facts, turn: _Turn) -> None:
        """Gates 3 and 10 to 14 of est §2 in their order; what is granted goes into the turn.

        A password that was right clears its source's failures even if the order is refused
        for something else.

        Raises:
            Failure: the order is refused, and nothing of it is kept.
        """
        if order.auth_mode is AuthMode.BASIC:
            facts.sources.right(order.source_address)
        shown = facts.states.get(order.credential) if order.credential else None
        der = facts.repeated.get(order.repetition_key)
        require_good_credential(order, shown, answered=der is not None, now_us=facts.now_us)
        if der is not None:
            event, counter = repeated_event(order, der, now_us=facts.now_us)
            issued = Issued(der=der, repeated=True)
        else:
            done = self._issue(order, facts, turn)
            event, counter = done.event, done.counter
            issued = Issued(der=done.record.der)
        turn.outcomes.append(issued)
        turn.events.append(event)
        turn.counts[order.profile, counter] += 1

    def _issue(self, order: Order, facts: Facts, turn: _Turn) -> Fulfilled:
        """Gates 12 to 14: for a request that was not answered before."""
        now_us = facts.now_us
        checked = self._rules.check(order, facts)
        require_renewable(order, facts)
        key: bytes | None = None
        counted: tuple[int, ...] = ()
        if order.limit_24h:
            key = limit_key_of(order)
            counted = window(facts.hits.get(key, ()), now_us)
            require_room(counted, limit=order.limit_24h, now_us=now_us)
        request = (
            self._approved(checked, facts, turn) if checked.profile.requires_approval else None
        )
        done = self._rules.fulfil(checked, certificate_id=self._new_id(), now_us=now_us)
        # What comes later in this batch must see what this one has taken.
        facts.repeated[order.repetition_key] = done.record.der
        facts.note_issued(done.record)
        if key is not None:
            facts.hits[key] = turn.hits[key] = one_more(counted, now_us)
        if request is not None:
            turn.settled.append((request.id, done.record.id))
            facts.requests[request.key] = replace(request, status=RequestStatus.ISSUED)
        superseded = supersede(order, facts)
        if superseded is not None:
            turn.superseded.append(superseded[0])
            turn.events.append(superseded[1])
        turn.fulfilled.append(done)
        return done

    def _approved(self, checked: Checked, facts: Facts, turn: _Turn) -> WaitingRequest:
        """Gate 13. A request that begins to wait goes on record although it is not granted.

        Raises:
            Pending, Denied: operators have not approved it, or have denied it.
            StoreUnavailable: too many wait.
        """
        found = approved_request(checked, facts)
        if found is not None:
            return found
        request, event = begin(checked, facts, self._new_id)
        turn.requests.append(request)
        turn.events.append(event)
        raise Pending(request=request.id, retry_after=POLL_SECONDS)

    def _record(self, turn: _Turn, transaction: Transaction) -> list[RecordedEvent]:
        if turn.fulfilled:
            transaction.record_certificates([done.record for done in turn.fulfilled])
            transaction.record_repetitions(
                [done.repetition for done in turn.fulfilled], turn.fulfilled[0].record.issued_us
            )
        if turn.requests:
            transaction.forget_requests(
                turn.requests[0].created_us, len(turn.requests) + FORGOTTEN_MORE
            )
            transaction.record_requests(turn.requests)
        for request_id, certificate_id in turn.settled:
            transaction.settle_request(
                request_id, RequestStatus.ISSUED, certificate_id=certificate_id
            )
        if turn.superseded:
            transaction.revoke_certificates(
                turn.superseded, turn.fulfilled[0].record.issued_us, RevocationReason.SUPERSEDED
            )
        if turn.hits:
            transaction.record_limit_hits(turn.hits)
            oldest_us = turn.fulfilled[0].record.issued_us - WINDOW_US
            transaction.forget_limits(oldest_us, len(turn.hits) + FORGOTTEN_MORE)
        return self._put(turn.events, turn.counts, transaction, fulfilled=turn.fulfilled)

    def _put(
        self,
        events: Sequence[AuditEvent],
        counts: Mapping[tuple[str, Counter], int],
        transaction: Transaction,
        *,
        fulfilled: Sequence[Fulfilled] = (),
        notices: Sequence[Event] = (),
    ) -> list[RecordedEvent]:
        """Write events with their place in the chain, and what other systems are told of
        them; advance the chain once they are committed.
        """
        recorded = self._chain.extend(events, self._new_id)
        if recorded:
            transaction.append_events(recorded)
        if counts:
            transaction.add_counts(self._node, counts)
        if self._outbox is not None:
            issued = {done.record.id: done.record for done in fulfilled}
            told = self._outbox.deliveries(recorded, self._clock(), issued=issued, notices=notices)
            transaction.add_deliveries(told)
        return recorded
