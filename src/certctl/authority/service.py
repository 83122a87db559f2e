"""Group commit: everything that arrived in one turn becomes one transaction.

Order of the law: check → sign → {certificate, repetition, audit, counter} durable →
answer. A signature that was not committed never leaves this process. For a CA outside:
check → intent durable → call → outcome durable → answer (records §2). When a batch
meets a doubled key, another node or a fault, nothing of it is kept and it is run again
one by one, so that one request's trouble is not its neighbours'.

A commit whose answer was lost may have happened. What was asked for is answered as not
done (503) and the same request again finds its certificate; what waits to be recorded
again is looked up in the audit chain first, so that nothing is on record twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from certctl.authority.audit import Chain
from certctl.authority.calls import Finished, OutsideCalls
from certctl.authority.carry_out import Powers, carry_out
from certctl.authority.commands import Command, CommandResult
from certctl.authority.events import event_from, refused_event
from certctl.authority.facts import Facts, gather
from certctl.authority.granting import Granting
from certctl.authority.issue import Fulfilled, IssuingRules
from certctl.authority.lockout import Attempt, hold_sources, judge, read_sources
from certctl.authority.once import answered_before, keep
from certctl.authority.outbox import Outbox
from certctl.authority.settle import Settler
from certctl.authority.turn import Outcome, Turn
from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.clock import Clock
from certctl.domain.errors import (
    CommandRefused,
    Failure,
    InternalError,
    RequestMalformed,
    StoreUnavailable,
)
from certctl.domain.events import Event
from certctl.domain.ids import NewId
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Order
from certctl.domain.ports import RunAgain, Transaction, WritableStore

# Refusals that could not be recorded wait here while the store is away; beyond this
# many the oldest counts are folded into what is kept (each is a folded event already).
MAX_WAITING_REFUSALS = 10_000

Refusal = tuple[AuditEvent, Counter | None]

T = TypeVar("T")


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
        self._calls = self._powers.calls
        self._granting = Granting(rules, new_id, self._calls)
        self._node = node
        self._clock = clock
        self._new_id = new_id
        self._on_fault = on_fault
        self._lockout = lockout or LockoutRule()
        self._outbox = outbox
        self._waiting: list[Refusal] = []
        self._unsettled: list[Finished] = []
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
            recorded = self._put(events, done.counts, transaction, notices=done.notices)
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

    def finish(self) -> list[tuple[str, Outcome]]:
        """Record what calls of CAs outside came back with: (intent, what its order gets).

        What the store cannot record now is kept and tried again with the next call.
        """
        if self._calls is None:
            return []
        outcomes: list[tuple[str, Outcome]] = []
        waiting, self._unsettled = [*self._unsettled, *self._calls.finished()], []
        for done in waiting:
            outcome = self._attempted(partial(self._settle, done, self._calls))
            if isinstance(outcome, StoreUnavailable) and not outcome.on_record:
                self._unsettled.append(done)
            else:
                self._calls.count(done, outcome)
            if outcome is not None:
                outcomes.append((done.intent_id, outcome))
        return outcomes

    def _settle(self, done: Finished, calls: OutsideCalls) -> Outcome | None:
        settler = Settler(
            rules=self._rules,
            granting=self._granting,
            calls=calls,
            facts_of=lambda order, transaction: self._facts((order,), transaction),
            new_id=self._new_id,
        )
        turn = Turn(now_us=self._clock())
        with self._store.transaction() as transaction:
            outcome = settler.settle(done, turn, transaction)
            turn.record(transaction)
            recorded = self._put(turn.events, turn.counts, transaction, fulfilled=turn.fulfilled)
        self._chain.advance(recorded)
        for intent, der in turn.orphans:
            calls.revoke(intent, der)
        return outcome

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
        turn = Turn()
        recorded: list[RecordedEvent] = []
        try:
            with self._store.transaction() as transaction:
                if orders:
                    self._fulfil(orders, turn, transaction)
                for event, counter in refusals:
                    turn.count(event, counter, event.count)
                turn.record(transaction)
                recorded = self._put(
                    turn.events, turn.counts, transaction, fulfilled=turn.fulfilled
                )
        except StoreUnavailable as failure:
            self._gone(failure)
            if recorded:
                # It was the commit that failed, and that may have happened all the same.
                self._doubtful = (recorded[-1].id, refusals)
            else:
                self._keep(refusals)
            raise
        self._chain.advance(recorded)
        for call in turn.calls:
            if self._calls is not None:
                self._calls.begin(call)
        return turn.outcomes

    def _fulfil(self, orders: Sequence[Order], turn: Turn, transaction: Transaction) -> None:
        facts = self._facts(orders, transaction)
        turn.now_us = facts.now_us
        for order in orders:
            try:
                self._granting.decide(order, facts, turn)
            except RequestMalformed as fault:
                # Workers send only what they have read: this is our fault, not the client's.
                self._on_fault(fault)
                turn.outcomes.append(InternalError())
            except Failure as failure:
                turn.outcomes.append(failure)
        facts.sources.keep(transaction)

    def _facts(self, orders: Sequence[Order], transaction: Transaction) -> Facts:
        return gather(
            orders,
            transaction,
            self._clock(),
            needs_approval=self._rules.needs_approval,
            is_outside=self._rules.is_outside,
            lockout=self._lockout,
        )

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
