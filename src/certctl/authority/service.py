"""Group commit: everything that arrived in one turn becomes one transaction.

Order of the law: check → sign → {certificate, repetition, audit, counter} durable →
answer. A signature that was not committed never leaves this process. When a batch
meets a doubled key, another node or a fault, nothing of it is kept and it is run again
one by one, so that one request's trouble is not its neighbours'.

A commit whose answer was lost may have happened. What was asked for is answered as not
done (503) and the same request again finds its certificate; what waits to be recorded
again is looked up in the audit chain first, so that nothing is on record twice.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeVar

from certctl.authority.approval import begin
from certctl.authority.audit import Chain
from certctl.authority.carry_out import Powers, carry_out
from certctl.authority.commands import Command, CommandResult
from certctl.authority.events import event_from, refused_event
from certctl.authority.facts import Facts, gather
from certctl.authority.gates import require_allowed, require_caller
from certctl.authority.issue import (
    Checked,
    Fulfilled,
    IssuingRules,
    repeated_event,
)
from certctl.authority.lockout import Attempt, hold_sources, judge, read_sources
from certctl.authority.once import answered_before, keep
from certctl.authority.outbox import Outbox
from certctl.authority.renew import supersede
from certctl.domain.approval import POLL_SECONDS, RequestStatus, WaitingRequest
from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.clock import Clock
from certctl.domain.errors import (
    CommandRefused,
    Failure,
    InternalError,
    Pending,
    RequestMalformed,
    StoreUnavailable,
)
from certctl.domain.events import Event
from certctl.domain.ids import NewId
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.limit import WINDOW_US, one_more
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Issued, Order
from certctl.domain.ports import RunAgain, Transaction, WritableStore
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
        on_store: Callable[[StoreUnavailable | None], None] = lambda _: None,
        outbox: Outbox | None = None,
    ) -> None:
        """``on_store`` hears once that the store is away, and once (None) that it is back.

        Without ``outbox`` no other system is told of anything.
        """
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
        self._doubtful: tuple[str, list[Refusal]] | None = None
        self._on_store = on_store
        self._away = False
        self._current = False
        self.resume()

    def resume(self) -> None:
        """Take up the audit chain where the store has it, after others wrote to it."""
        self._current = False
        with self._store.transaction() as transaction:
            last = transaction.last_event(self._node)
        self._chain = Chain(self._node, last)
        self._current = True
        if self._doubtful is not None:
            event_id, refusals = self._doubtful
            self._doubtful = None
            if last is None or last.id != event_id:
                self._keep(refusals)

    def run(self, orders: Sequence[Order], refusals: Sequence[Refusal] = ()) -> list[Outcome]:
        """Answer orders, in their order; every ``Issued`` is durable on return."""
        try:
            self._catch_up()
        except StoreUnavailable as failure:
            self._keep([*refusals])
            return [failure] * len(orders)
        waiting = [*self._waiting, *refusals]
        self._waiting = []
        try:
            return self._run_together(orders, waiting)
        except StoreUnavailable as failure:
            return [failure] * len(orders)
        except RunAgain:
            return self._run_one_by_one(orders, waiting)
        except Exception as fault:  # noqa: BLE001 - an edge: the authority must outlive one order
            self._on_fault(fault)
            return self._run_one_by_one(orders, waiting)

    def execute(
        self, command: Command, *, origin: Origin | None = None, once: Once | None = None
    ) -> CommandResult | Failure:
        """Run one command of this host as one transaction; what it did is durable on
        return.

        ``origin`` goes into its events. The same ``once`` again is answered as before.
        """
        return self._attempted(lambda: self._execute(command, origin, once))

    def execute_for(
        self, bearer: str, command: Command, *, origin: Origin, once: Once | None = None
    ) -> CommandResult | Failure:
        """The same for a worker, which must name an API key that covers it."""
        done = self._attempted(lambda: self._execute(command, origin, once, bearer))
        if isinstance(done, CommandRefused):
            self.record(refused_event(done, command, origin, self._clock()))
        return done

    def judge(self, attempts: Sequence[Attempt]) -> list[Failure | None]:
        """Count passwords that were tried; None: not locked out, and durable on return."""
        outcomes = self._attempted(lambda: self._judge(attempts))
        return [outcomes] * len(attempts) if isinstance(outcomes, Failure) else outcomes

    def _attempted(self, work: Callable[[], T]) -> T | Failure:
        """Do something that is one transaction; a fault of it stays its own."""
        try:
            self._catch_up()
            return work()
        except RunAgain:
            # Our place in the audit chain, or what another node took meanwhile.
            try:
                self.resume()
                return work()
            except (RunAgain, StoreUnavailable) as err:
                self._on_fault(err)
                return StoreUnavailable("store")
            except Failure as failure:
                return failure
        except StoreUnavailable as failure:
            self._gone(failure)
            return failure
        except Failure as failure:
            return failure
        except Exception as fault:  # noqa: BLE001 - an edge: the authority must outlive one piece of work
            self._on_fault(fault)
            return InternalError()

    def _execute(
        self,
        command: Command,
        origin: Origin | None,
        once: Once | None,
        bearer: str | None = None,
    ) -> CommandResult:
        """``bearer`` None: the command comes from this host, not from a worker."""
        with self._store.transaction() as transaction:
            now_us = self._clock()
            if bearer is not None:
                if self._powers.keys is None:
                    raise CommandRefused("not_for_keys")
                # Before anything is told, the answer to a repetition included.
                command = self._powers.keys.admit(command, bearer, transaction, now_us)
            before = answered_before(once, transaction, now_us) if once else None
            if before is not None:
                return before
            done = carry_out(command, transaction, self._powers, now_us)
            events = [event_from(each, origin) for each in done.events] if origin else done.events
            recorded = self._put(events, {}, transaction, notices=done.notices)
            if once is not None:
                keep(once, done.result, transaction, now_us)
        self._chain.advance(recorded)
        if done.after is not None:
            done.after()
        return done.result

    def _judge(self, attempts: Sequence[Attempt]) -> list[Failure | None]:
        with self._store.transaction() as transaction:
            addresses = {attempt.address for attempt in attempts}
            hold_sources(addresses, transaction)
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
        if self._waiting or not self._current:
            self.run(())

    def _catch_up(self) -> None:
        """After a fault of the store, before anything is decided: see what it holds.

        Raises:
            StoreUnavailable: it is still away.
        """
        if self._current:
            return
        try:
            self.resume()
        except StoreUnavailable as failure:
            self._gone(failure)
            raise
        if self._away:
            self._away = False
            self._on_store(None)

    def _gone(self, failure: StoreUnavailable) -> None:
        self._current = False
        if not self._away:
            self._away = True
            self._on_store(failure)

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
            except RunAgain:
                # Another node won the race for this very request: the repeat finds it.
                outcomes += self._repeat(order)
            except Exception as fault:  # noqa: BLE001 - an edge, as above
                self._on_fault(fault)
                outcomes.append(InternalError())
        for refusal in refusals:
            try:
                self._run_together((), [refusal])
            except StoreUnavailable:
                continue
            except RunAgain:
                self._keep([refusal])
            except Exception as fault:  # noqa: BLE001 - an edge, as above
                self._on_fault(fault)
        return outcomes

    def _repeat(self, order: Order) -> list[Outcome]:
        try:
            self.resume()
            return self._run_together((order,), [])
        except (RunAgain, StoreUnavailable) as err:
            self._on_fault(err)
            return [StoreUnavailable("store")]

    def _keep(self, refusals: list[Refusal]) -> None:
        self._waiting = [*self._waiting, *refusals][-MAX_WAITING_REFUSALS:]

    def _run_together(self, orders: Sequence[Order], refusals: list[Refusal]) -> list[Outcome]:
        """One transaction; refusals that it could not record wait.

        Raises:
            StoreUnavailable, RunAgain: nothing is answered.
        """
        turn = _Turn()
        recorded: list[RecordedEvent] = []
        try:
            with self._store.transaction() as transaction:
                if orders:
                    self._fulfil(orders, turn, transaction)
                for event, counter in refusals:
                    turn.events.append(event)
                    if counter is not None:
                        turn.counts[event.profile, counter] += event.count
                recorded = self._record(turn, transaction)
        except StoreUnavailable as failure:
            self._gone(failure)
            if recorded:
                # It was the commit that failed, and that may have happened all the same.
                self._doubtful = (recorded[-1].id, refusals)
            else:
                self._keep(refusals)
            raise
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
        """Gates 3 and 10 to 14 of est §2; what is granted goes into the turn.

        Raises:
            Failure: the order is refused, and nothing of it is kept.
        """
        der = require_caller(order, facts)
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
        allowed = require_allowed(order, facts, self._rules)
        if allowed.must_begin:
            self._begin(allowed.checked, facts, turn)
        done = self._rules.fulfil(allowed.checked, certificate_id=self._new_id(), now_us=now_us)
        # What comes later in this batch must see what this one has taken.
        facts.repeated[order.repetition_key] = done.record.der
        facts.note_issued(done.record)
        if allowed.limit is not None:
            key, counted = allowed.limit
            facts.hits[key] = turn.hits[key] = one_more(counted, now_us)
        request = allowed.request
        if request is not None:
            turn.settled.append((request.id, done.record.id))
            facts.requests[request.key] = replace(request, status=RequestStatus.ISSUED)
        superseded = supersede(order, facts)
        if superseded is not None:
            turn.superseded.append(superseded[0])
            turn.events.append(superseded[1])
        turn.fulfilled.append(done)
        return done

    def _begin(self, checked: Checked, facts: Facts, turn: _Turn) -> NoReturn:
        """Gate 13: a request that begins to wait goes on record although it is not granted.

        Raises:
            Pending: operators have not approved it.
            WaitingRoomFull: too many wait.
        """
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
