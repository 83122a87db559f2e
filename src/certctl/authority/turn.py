"""What one transaction will record, gathered while its orders are decided."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field

from certctl.authority.intents import Call, Started
from certctl.authority.issue import Fulfilled
from certctl.domain.approval import RequestStatus, WaitingRequest
from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.errors import Failure
from certctl.domain.intent import KEPT_US, Intent
from certctl.domain.limit import WINDOW_US
from certctl.domain.order import Issued
from certctl.domain.ports import Transaction
from certctl.domain.revocation import RevocationReason

# A batch drops as many windows that count no longer as it has counted in, and so many
# more: the table shrinks back after a flood without one long delete.
FORGOTTEN_MORE = 8

Outcome = Issued | Failure | Started


@dataclass(slots=True)
class Turn:
    """Grants, and what goes on record with them; ``outcomes`` are the orders', in order.

    ``calls`` are made, and ``orphans`` (DER) revoked, once all of it is durable.
    """

    now_us: int = 0
    fulfilled: list[Fulfilled] = field(default_factory=list)
    requests: list[WaitingRequest] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    hits: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    counts: Tally[tuple[str, Counter]] = field(default_factory=Tally)
    orphans: list[tuple[Intent, bytes]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, event: AuditEvent, counter: Counter | None, times: int = 1) -> None:
        """An event, and the counter that ticks with it."""
        self.events.append(event)
        if counter is not None:
            self.counts[event.profile, counter] += times

    def record(self, transaction: Transaction) -> None:
        """Write everything but events and counters, which the service puts in its chain."""
        now_us = self.now_us
        if self.fulfilled:
            transaction.record_certificates([done.record for done in self.fulfilled])
            transaction.record_repetitions([done.repetition for done in self.fulfilled], now_us)
        if self.requests:
            transaction.forget_requests(now_us, len(self.requests) + FORGOTTEN_MORE)
            transaction.record_requests(self.requests)
        if self.calls:
            transaction.forget_intents(now_us - KEPT_US, len(self.calls) + FORGOTTEN_MORE)
            transaction.record_intents([call.intent for call in self.calls])
        for request_id, certificate_id in self.settled:
            transaction.settle_request(
                request_id, RequestStatus.ISSUED, certificate_id=certificate_id
            )
        if self.superseded:
            transaction.revoke_certificates(self.superseded, now_us, RevocationReason.SUPERSEDED)
        if self.hits:
            transaction.record_limit_hits(self.hits)
            transaction.forget_limits(now_us - WINDOW_US, len(self.hits) + FORGOTTEN_MORE)
