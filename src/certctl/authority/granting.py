"""Gate 14 of est §2 and what goes on record with it, for one order of a batch.

Nothing is written here: what is granted goes into the turn, which is written as a whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from certctl.authority.approval import approved_request
from certctl.authority.approval import begin as begin_waiting
from certctl.authority.calls import OutsideCalls
from certctl.authority.facts import Facts
from certctl.authority.gates import Allowed, require_allowed, require_caller
from certctl.authority.intents import Started, begin, require_none_open
from certctl.authority.issue import Checked, Fulfilled, IssuingRules, repeated_event
from certctl.authority.renew import supersede
from certctl.authority.turn import Turn
from certctl.domain.approval import POLL_SECONDS, RequestStatus, WaitingRequest
from certctl.domain.errors import IssuerUnavailable, Pending
from certctl.domain.ids import NewId
from certctl.domain.limit import one_more
from certctl.domain.order import Issued, Order
from certctl.domain.ports import OutsideIssuer, SignedCertificate


class Granting:
    """Decides orders by the rules that hold now, and grants what no gate refuses."""

    __slots__ = ("_calls", "_new_id", "_rules")

    def __init__(
        self, rules: IssuingRules, new_id: NewId, calls: OutsideCalls | None = None
    ) -> None:
        """Without ``calls``, nothing is ordered from CAs outside."""
        self._rules = rules
        self._new_id = new_id
        self._calls = calls

    def decide(self, order: Order, facts: Facts, turn: Turn) -> None:
        """Gates 3 and 10 to 14 of est §2; what is granted goes into the turn.

        Raises:
            Failure: the order is refused, and nothing of it is kept.
        """
        der = require_caller(order, facts)
        if der is not None:
            turn.count(*repeated_event(order, der, now_us=facts.now_us))
            turn.outcomes.append(Issued(der=der, repeated=True))
        else:
            turn.outcomes.append(self._issue(order, facts, turn))

    def accept(self, checked: Checked, signed: SignedCertificate, facts: Facts, turn: Turn) -> None:
        """What a CA outside has issued becomes a grant, as if it had been signed here.

        Raises:
            Failure: ``lint``, or operators have denied it meanwhile.
        """
        done = self._rules.grant(
            checked, signed, certificate_id=self._new_id(), now_us=facts.now_us
        )
        request = approved_request(checked, facts) if checked.profile.requires_approval else None
        self._note(done, request, facts, turn)

    def _issue(self, order: Order, facts: Facts, turn: Turn) -> Issued | Started:
        """Gates 12 to 14: for a request that was not answered before."""
        now_us = facts.now_us
        require_none_open(facts.intents.get(order.repetition_key), now_us)
        allowed = require_allowed(order, facts, self._rules)
        if allowed.must_begin:
            self._begin_waiting(allowed.checked, facts, turn)
        outcome: Issued | Started
        after: tuple[int, ...] = ()
        if allowed.limit is not None:
            after = one_more(allowed.limit[1], now_us)
        if allowed.checked.outside is not None:
            hit_us = after[-1] if after else 0
            outcome = self._begin(allowed, allowed.checked.outside, facts, turn, hit_us=hit_us)
        else:
            done = self._rules.fulfil(allowed.checked, certificate_id=self._new_id(), now_us=now_us)
            outcome = Issued(der=done.record.der)
            self._note(done, allowed.request, facts, turn)
        # What comes later in this batch must see what this one has taken.
        if allowed.limit is not None:
            key = allowed.limit[0]
            facts.hits[key] = turn.hits[key] = after
        return outcome

    def _begin(
        self, allowed: Allowed, issuer: OutsideIssuer, facts: Facts, turn: Turn, *, hit_us: int
    ) -> Started:
        """The intent of a call; made when the turn is durable."""
        order = allowed.checked.order
        if self._calls is None:
            raise IssuerUnavailable(f"issuer {order.issuer_id}", retry_after=60)
        begun = sum(each.intent.issuer_id == order.issuer_id for each in turn.calls)
        self._calls.require_room(order.issuer_id, begun)
        call = begin(
            allowed.checked,
            issuer,
            self._rules.terms(allowed.checked),
            intent_id=self._new_id(),
            owner=self._calls.owner,
            now_us=facts.now_us,
            hit_us=hit_us,
        )
        turn.calls.append(call)
        facts.intents[order.repetition_key] = call.intent
        return Started(call.intent.id)

    def _note(
        self, done: Fulfilled, request: WaitingRequest | None, facts: Facts, turn: Turn
    ) -> None:
        """A grant goes into the turn; what comes later in this batch must see it."""
        order = done.order
        facts.repeated[order.repetition_key] = done.record.der
        facts.note_issued(done.record)
        if request is not None:
            turn.settled.append((request.id, done.record.id))
            facts.requests[request.key] = replace(request, status=RequestStatus.ISSUED)
        superseded = supersede(order, facts)
        if superseded is not None:
            turn.superseded.append(superseded[0])
            turn.events.append(superseded[1])
        turn.fulfilled.append(done)
        turn.count(done.event, done.counter)

    def _begin_waiting(self, checked: Checked, facts: Facts, turn: Turn) -> NoReturn:
        """Gate 13: a request that begins to wait goes on record although it is not granted.

        Raises:
            Pending: operators have not approved it.
            WaitingRoomFull: too many wait.
        """
        request, event = begin_waiting(checked, facts, self._new_id)
        turn.requests.append(request)
        turn.events.append(event)
        raise Pending(request=request.id, retry_after=POLL_SECONDS)
