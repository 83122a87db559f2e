"""Requests that wait for an operator (policy §5), and what operators said about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from certctl.domain.clock import DAY_US

WAITING_US = 7 * DAY_US
"""How long a request waits, and how long an approval or a denial holds."""

POLL_SECONDS = 60
"""``Retry-After`` of the 202: how often a device asks again."""

MAX_WAITING = 10_000
"""Requests that wait at the same time; more are told to come later."""

MAX_REASON = 500
"""Characters of an operator's reason."""


class RequestStatus(StrEnum):
    """``issued`` has had its one certificate; the same request again is a new one."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    ISSUED = "issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRequest:
    """One request that an operator decides on.

    Attributes:
        id: 32 hexadecimal characters, sortable by the time it began to wait.
        key: the repetition key: the same request again finds this one.
        subject: text after RFC 4514, for people.
        request_id: of the HTTP request that began to wait.
        approvals_needed: how many different operators must approve.
        csr_der: the request with the values of challenge attributes removed.
        note: why it was denied, or empty.
        certificate_id: what was issued for it.
    """

    id: str
    key: bytes
    status: RequestStatus
    created_us: int
    expires_us: int
    profile: str
    certificate_profile: str
    operation: str
    principal: str
    auth_mode: str
    subject: str
    sans: tuple[str, ...]
    source_address: str
    request_id: str
    approvals_needed: int
    csr_der: bytes
    note: str = ""
    certificate_id: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one operator said about one request; nobody counts twice."""

    request_id: str
    actor: str
    approved: bool
    reason: str
    decided_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Where a request stands after a decision."""

    request_id: str
    subject: str
    status: RequestStatus
    approvals: int
    approvals_needed: int
