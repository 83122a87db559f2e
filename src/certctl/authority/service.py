"""Group commit: everything that arrived in one turn becomes one transaction.

Order of the law: check → sign → {certificate, repetition, audit, counter} durable →
answer. A signature that was not committed never leaves this process. When a batch
meets a doubled key or a fault, nothing of it is kept and it is run again one by one,
so that one request's trouble is not its neighbours'.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from certctl.authority.audit import Chain
from certctl.authority.carry_out import carry_out
from certctl.authority.commands import Command, CommandResult
from certctl.authority.facts import Facts, gather
from certctl.authority.issue import (
    Fulfilled,
    IssuingRules,
    repeated_event,
    require_good_credential,
)
from certctl.domain.audit import AuditEvent, Counter, RecordedEvent
from certctl.domain.clock import Clock
from certctl.domain.errors import (
    Failure,
    InternalError,
    RequestMalformed,
    StoreUnavailable,
)
from certctl.domain.ids import NewId
from certctl.domain.order import Issued, Order
from certctl.domain.ports import DuplicateKey, Transaction, TrustBundles, WritableStore

# Refusals that could not be recorded wait here while the store is away; beyond this
# many the oldest counts are folded into what is kept (each is a folded event already).
MAX_WAITING_REFUSALS = 10_000

Refusal = tuple[AuditEvent, Counter | None]
Outcome = Issued | Failure


@dataclass(slots=True)
class _Turn:
    """What one transaction will record."""

    fulfilled: list[Fulfilled] = field(default_factory=list)
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
        bundles: TrustBundles | None = None,
    ) -> None:
        self._store = store
        self._rules = rules
        self._node = node
        self._clock = clock
        self._new_id = new_id
        self._on_fault = on_fault
        self._bundles = bundles
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
        try:
            return self._execute(command)
        except DuplicateKey:
            # Our place in the audit chain, or a key that another node took meanwhile.
            try:
                self.resume()
                return self._execute(command)
            except (DuplicateKey, StoreUnavailable) as err:
                self._on_fault(err)
                return StoreUnavailable("store")
        except Failure as failure:
            return failure
        except Exception as fault:  # noqa: BLE001 - an edge: the authority must outlive one command
            self._on_fault(fault)
            return InternalError()

    def _execute(self, command: Command) -> CommandResult:
        with self._store.transaction() as transaction:
            done = carry_out(command, transaction, self._clock(), bundles=self._bundles)
            recorded = self._chain.extend(list(done.events), self._new_id)
            if recorded:
                transaction.append_events(recorded)
            if done.counts:
                transaction.add_counts(self._node, done.counts)
        self._chain.advance(recorded)
        if done.after is not None:
            done.after()
        return done.result

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
        facts = gather(orders, transaction, self._clock())
        for order in orders:
            try:
                self._decide(order, facts, turn)
            except RequestMalformed as fault:
                # Workers send only what they have read: this is our fault, not the client's.
                self._on_fault(fault)
                turn.outcomes.append(InternalError())
            except Failure as failure:
                turn.outcomes.append(failure)

    def _decide(self, order: Order, facts: Facts, turn: _Turn) -> None:
        """Gates 10 to 14 of est §2 in their order; what is granted goes into the turn.

        Raises:
            Failure: the order is refused, and nothing of it is kept.
        """
        shown = facts.states.get(order.credential) if order.credential else None
        require_good_credential(order, shown, facts.now_us)
        der = facts.repeated.get(order.repetition_key)
        if der is not None:
            event, counter = repeated_event(order, der, now_us=facts.now_us)
            issued = Issued(der=der, repeated=True)
        else:
            done = self._rules.fulfil(order, certificate_id=self._new_id(), now_us=facts.now_us)
            facts.repeated[order.repetition_key] = done.record.der
            event, counter = done.event, done.counter
            turn.fulfilled.append(done)
            issued = Issued(der=done.record.der)
        turn.outcomes.append(issued)
        turn.events.append(event)
        turn.counts[order.profile, counter] += 1

    def _record(self, turn: _Turn, transaction: Transaction) -> list[RecordedEvent]:
        if turn.fulfilled:
            transaction.record_certificates([done.record for done in turn.fulfilled])
            transaction.record_repetitions(
                [done.repetition for done in turn.fulfilled], turn.fulfilled[0].record.issued_us
            )
        recorded = self._chain.extend(turn.events, self._new_id)
        if recorded:
            transaction.append_events(recorded)
        if turn.counts:
            transaction.add_counts(self._node, turn.counts)
        return recorded
