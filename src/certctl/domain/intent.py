"""An intent: what is on record before a CA outside is called (records §2).

It is durable before the call, so a crash, a lost answer or a second node can neither
forget an order that was handed over nor hand it over twice.

::

    open ── answered in time ──────────────► issued
      │ ├── the CA said no ────────────────► refused
      │ ├── it is certain that it did nothing ► failed
      │ └── another certificate came back ─► orphan
      └──── past its deadline, no answer ──► lost ── an answer after all ──► orphan
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from certctl.domain.clock import SECOND_US

SLACK_US = 30 * SECOND_US
"""What an intent's deadline adds to the time limit of its call."""

POLL_SECONDS = 1
"""``Retry-After`` of the 202 for a request whose intent is open."""

KEPT_US = 86_400 * SECOND_US
"""How long a closed intent is kept; lost ones and orphans are kept for good."""

REFUSAL_HOLDS_US = 60 * SECOND_US
"""So long the CA's no answers the same request: a device that was told 202 meanwhile
must hear it, and nobody has the CA asked again and again.
"""

MAX_NOTE = 500


class IntentStatus(StrEnum):
    OPEN = "open"
    ISSUED = "issued"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"
    ORPHAN = "orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One call of a CA outside.

    Attributes:
        id: 32 hexadecimal characters, sortable; the request id that the CA is given.
        key: the repetition key; no two open intents have the same.
        owner: the node and process that makes the call, ``NODE/PID``.
        deadline_us: from then on no answer is waited for.
        order: what was ordered, as the authority reads it again after a restart.
        issuer_id, profile, subject, source_address: of the order, for people.
        request_id: of the HTTP request that began it.
        closed_us: when it left ``open``, or None.
        note: why it is where it is: the CA's reason, or what was wrong with its answer.
        certificate_id: what came of it: the certificate, or the orphan.
        told_us: when the CA was told to revoke the orphan, or None.
    """

    id: str
    key: bytes
    status: IntentStatus
    owner: str
    created_us: int
    deadline_us: int
    issuer_id: str
    profile: str
    subject: str
    source_address: str
    request_id: str
    order: bytes
    closed_us: int | None = None
    note: str = ""
    certificate_id: str | None = None
    told_us: int | None = None
    tenant: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status is IntentStatus.OPEN

    def refuses(self, now_us: int) -> bool:
        """The CA's refusal still answers the same request."""
        recent = self.closed_us is not None and now_us - self.closed_us < REFUSAL_HOLDS_US
        return self.status is IntentStatus.REFUSED and recent
