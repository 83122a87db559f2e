"""The inner process and the device-state hook, seen from a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.order import Issued, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAttempt:
    """What a wrong password leaves on record if it is not refused as locked out."""

    event: AuditEvent
    counter: Counter


class Authority(Protocol):
    """The inner process, seen from a worker."""

    async def issue(self, order: Order) -> Issued:
        """Sign and record; the certificate is durable when this returns.

        Raises:
            Failure: PolicyViolation, CertificateRefused, Unavailable …
        """
        ...

    async def judge_attempt(self, source: str, wrong: WrongAttempt | None) -> None:
        """Count a wrong password of a source, or (None) clear its count after a right one.

        For requests that become no order; an order is judged with itself. A wrong one is
        durable on return, with its event and counter.

        Raises:
            LockedOut: the source has to wait, whatever the password was; not recorded.
            StoreUnavailable: it could not be counted, so nothing may be said about it.
        """
        ...

    def record_refusal(self, event: AuditEvent, counter: Counter | None) -> None:
        """Hand over a refusal to be recorded soon (≤ 50 ms); never waits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuestion:
    """What the device-state hook is told; field names are those of its JSON."""

    profile: str
    principal: str
    subject: str
    sans: tuple[str, ...]
    source: str
    request_id: str


class DeviceState(Protocol):
    """The operator's word on the state of a device, asked before it gets a certificate."""

    async def require_good(self, question: DeviceQuestion) -> None:
        """Ask; anything but a clear yes, in time, is a no.

        Raises:
            DeviceStateFailed: with a note for the device and the record.
        """
        ...
