"""Calls of CAs outside, in threads of their own: the authority's loop never waits for one.

Each issuer has its own pool, so that one that hangs holds up nobody else's devices. A
call is made only for an intent that is durable, and only once; its answer waits here
until the loop fetches it and puts it on record.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue
from time import perf_counter_ns, time_ns

from certctl.authority.intents import Call
from certctl.domain.clock import Clock
from certctl.domain.errors import (
    Failure,
    InternalError,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
)
from certctl.domain.events import Delivery
from certctl.domain.intent import Intent
from certctl.domain.ports import CanFind, CanRevoke, OutsideIssuer
from certctl.domain.revocation import RevocationReason
from certctl.obs.metrics.measured import AuthorityMetrics
from certctl.obs.tracing.steps import TurnSteps

AT_ONCE = 8
"""Calls of one issuer at the same time; others wait for a place."""

TOLD_AT_ONCE = 4
"""Revocations that one issuer is told at the same time."""

MAX_WAITING = 64
"""Calls of one issuer that have a place or wait for one; more devices are told to come
later, before anything is put on record for them.
"""

BUSY_SECONDS = 5

ORPHAN_REASON = RevocationReason.CESSATION_OF_OPERATION


class Work(StrEnum):
    ISSUE = "issue"
    FIND = "find"
    REVOKE = "revoke"
    TELL = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What one piece of work came back with: a certificate (DER), nothing, or a failure.

    With ``delivery``, the row of the outbox that it was about, there is no intent.
    ``took_ns``: how long the CA had it, in nanoseconds, until ``ended_ns`` since the epoch.
    """

    intent_id: str
    issuer_id: str
    work: Work
    answer: bytes | Failure | None
    delivery: Delivery | None = None
    took_ns: int = 0
    ended_ns: int = 0


class OutsideCalls:
    """Use from the authority's loop; only ``_run`` runs in other threads."""

    def __init__(
        self,
        issuers: Mapping[str, OutsideIssuer],
        *,
        owner: str,
        clock: Clock,
        on_fault: Callable[[BaseException], None],
        metrics: AuthorityMetrics | None = None,
        steps: TurnSteps | None = None,
    ) -> None:
        """``owner`` names this process in its intents: ``NODE/PID``."""
        self.owner = owner
        self.wake: Callable[[], None] = _nobody
        self._issuers = issuers
        self._clock = clock
        self._on_fault = on_fault
        self._metrics = metrics or AuthorityMetrics.unshared()
        self._steps = steps
        self._finished: SimpleQueue[Finished] = SimpleQueue()
        self._lock = threading.Lock()
        self._futures: set[Future[None]] = set()
        self._under_way: dict[tuple[str, Work], str] = {}
        self._pools = {
            issuer_id: ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"issuer-{issuer_id}")
            for issuer_id in issuers
        }
        # Apart, so that no device waits for a hundred thousand revocations.
        self._tellers = {
            issuer_id: ThreadPoolExecutor(TOLD_AT_ONCE, thread_name_prefix=f"tell-{issuer_id}")
            for issuer_id, issuer in issuers.items()
            if isinstance(issuer, CanRevoke)
        }

    def require_room(self, issuer_id: str, begun: int) -> None:
        """For one more call beside ``begun`` that this batch is about to make.

        Raises:
            IssuerUnavailable: too many are under way.
        """
        with self._lock:
            waiting = sum(
                issuer == issuer_id and work is not Work.TELL
                for (_, work), issuer in self._under_way.items()
            )
        if waiting + begun >= MAX_WAITING:
            raise IssuerUnavailable(f"issuer {issuer_id}", retry_after=BUSY_SECONDS)

    def begin(self, call: Call) -> None:
        """Make the call of an intent that is durable by now."""
        intent, ordered = call.intent, call.ordered
        issuer = self._issuers[intent.issuer_id]

        def issue() -> bytes:
            if self._clock() + issuer.time_limit_us > intent.deadline_us:
                # It waited so long for a place that its answer might come too late.
                raise IssuerUnavailable(f"issuer {intent.issuer_id}", retry_after=BUSY_SECONDS)
            return issuer.issue(
                ordered.order, ordered.terms, request_id=intent.id, now_us=intent.created_us
            )

        self._submit(intent, Work.ISSUE, issue)

    def can_find(self, issuer_id: str) -> bool:
        """Whether this CA can tell what became of a call."""
        return isinstance(self._issuers.get(issuer_id), CanFind)

    def can_revoke(self, issuer_id: str) -> bool:
        return isinstance(self._issuers.get(issuer_id), CanRevoke)

    def find(self, intent: Intent) -> None:
        """Ask what became of an intent, where its CA can tell."""
        issuer = self._issuers.get(intent.issuer_id)
        if isinstance(issuer, CanFind):
            self._submit(intent, Work.FIND, partial(issuer.find, intent.id))

    def revoke(self, intent: Intent, der: bytes) -> None:
        """Have an orphan (DER) revoked, where its CA takes revocations."""
        issuer = self._issuers.get(intent.issuer_id)
        if isinstance(issuer, CanRevoke):
            call = partial(issuer.revoke, der, reason=ORPHAN_REASON, request_id=intent.id)
            self._submit(intent, Work.REVOKE, call)

    def tell(
        self, delivery: Delivery, issuer_id: str, der: bytes, reason: RevocationReason
    ) -> None:
        """Have a certificate (DER) revoked that was revoked here."""
        issuer = self._issuers.get(issuer_id)
        if isinstance(issuer, CanRevoke):
            call = partial(issuer.revoke, der, reason=reason, request_id=delivery.event_id)
            self._start(delivery.event_id, issuer_id, Work.TELL, call, delivery)

    def chain_of(self, issuer_id: str) -> tuple[bytes, ...]:
        issuer = self._issuers.get(issuer_id)
        return issuer.ca_chain() if issuer is not None else ()

    def finished(self) -> list[Finished]:
        """What has come back since the last call, in that order."""
        found = []
        while True:
            try:
                found.append(self._finished.get_nowait())
            except Empty:
                return found

    def count(self, done: Finished, judged: object) -> None:
        """Count a call, once it is known what its answer was worth."""
        answer = judged if isinstance(judged, IssuerMisbehaved) else done.answer
        # Whether of an orphan or of another, it is the same call to the CA.
        work = Work.REVOKE if done.work is Work.TELL else done.work
        self._metrics.called(done.issuer_id, work.value, _outcome(answer))
        self._metrics.took(done.issuer_id, done.took_ns)
        if self._steps is not None and done.delivery is None:
            self._steps.called(
                done.intent_id, done.issuer_id, ended_ns=done.ended_ns, took_ns=done.took_ns
            )

    def wait(self, seconds: float) -> None:
        """Wait so long for all that is under way."""
        wait([*self._futures], timeout=seconds)

    def _submit(self, intent: Intent, work: Work, call: Callable[[], bytes | None]) -> None:
        self._start(intent.id, intent.issuer_id, work, call)

    def _start(
        self,
        key: str,
        issuer_id: str,
        work: Work,
        call: Callable[[], bytes | None],
        delivery: Delivery | None = None,
    ) -> None:
        with self._lock:
            if (key, work) in self._under_way:
                return
            self._under_way[key, work] = issuer_id
        pools = self._tellers if work is Work.TELL else self._pools
        future = pools[issuer_id].submit(self._run, key, issuer_id, work, call, delivery)
        self._futures = {each for each in self._futures if not each.done()} | {future}

    def _run(
        self,
        key: str,
        issuer_id: str,
        work: Work,
        call: Callable[[], bytes | None],
        delivery: Delivery | None,
    ) -> None:
        answer: bytes | Failure | None
        began = perf_counter_ns()
        try:
            answer = call()
        except Failure as failure:
            answer = failure
        except Exception as fault:  # noqa: BLE001 - an edge: a connector's fault is its own
            self._on_fault(fault)
            answer = InternalError()
        with self._lock:
            del self._under_way[key, work]
        self._finished.put(
            Finished(
                intent_id=key,
                issuer_id=issuer_id,
                work=work,
                answer=answer,
                delivery=delivery,
                took_ns=perf_counter_ns() - began,
                ended_ns=time_ns(),
            )
        )
        self.wake()


_OUTCOMES: Mapping[type[Failure], str] = {
    IssuerRefused: "refused",
    IssuerMisbehaved: "misbehaved",
    IssuerSilent: "silent",
    IssuerUnavailable: "unavailable",
}


def _outcome(answer: bytes | Failure | None) -> str:
    return _OUTCOMES.get(type(answer), "error") if isinstance(answer, Failure) else "ok"


def _nobody() -> None:
    pass
