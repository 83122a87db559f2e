"""Events for other systems, out of what goes on record (records §7).

They are made from the audit events of a transaction and written with them: what happened
and the word of it are durable together, or neither. Without channels nothing is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.errors import LockedOut
from certctl.domain.events import Delivery, Event, EventType, ca_channel
from certctl.domain.ports import Wanted
from certctl.domain.revocation import RevocationReason
from certctl.wire.cloudevents import encode_cloudevent, rfc3339

Issued = Mapping[str, CertificateRecord]
"""Certificates that go on record with the audit events, by id."""

_GRANTS: Final = {
    AuditAction.SIMPLE_ENROLL_SUCCESS: EventType.CERT_ISSUED,
    AuditAction.SIMPLE_REENROLL_SUCCESS: EventType.CERT_RENEWED,
}
_TOLD: Final = (
    "serial",
    "subject",
    "sans",
    "issuer_id",
    "certificate_profile",
    "approvals_needed",
    "failures",
)
"""Details that events take over as they are."""
_ID_NAMES: Final = {"certificate": "certificate_id", "request": "pending_request_id"}


class Outbox:
    """Makes deliveries of what channels want to know; one thread."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        source: str,
        lockout_failures: int,
        revokers: frozenset[str] = frozenset(),
    ) -> None:
        """``source`` names this server in events; so many failures lock a source out.

        ``revokers``: the CAs outside, by id, that must be told what is revoked.
        """
        self._wanted = wanted
        self._revokers = revokers
        self._source = source
        self._lockout_failures = lockout_failures
        self._last_us = 0

    def deliveries(
        self,
        recorded: Sequence[RecordedEvent],
        now_us: int,
        *,
        issued: Issued,
        notices: Sequence[Event] = (),
    ) -> list[Delivery]:
        """What these audit events tell the channels, in their order, and then notices."""
        found: list[Delivery] = []
        for each in recorded:
            kind = self._type_of(each.event)
            if kind is None:
                continue
            channels = (*self._wanted.get(kind, ()), *self._issuer(each.event, kind))
            if channels:
                found += self._of_event(_event(each, kind, issued), channels, now_us)
        for notice in notices:
            found += self._of_event(notice, self._wanted.get(notice.type, ()), now_us)
        return found

    def _issuer(self, event: AuditEvent, kind: EventType) -> tuple[str, ...]:
        """The CA outside that must be told of it, where there is one.

        A hold is not told: a CA's program has no word for taking it back.
        """
        issuer_id = event.details.get("issuer_id")
        if (
            kind is not EventType.CERT_REVOKED
            or issuer_id not in self._revokers
            or event.details.get("reason") == RevocationReason.CERTIFICATE_HOLD
            or "issuer_told" in event.details
        ):
            return ()
        return (ca_channel(str(issuer_id)),)

    def _of_event(self, event: Event, channels: Sequence[str], now_us: int) -> list[Delivery]:
        """One delivery for each channel."""
        if not channels:
            return []
        # Rises also within one transaction, and while a clock that was set back catches up.
        self._last_us = max(self._last_us + 1, now_us)
        body = encode_cloudevent(event, source=self._source)
        return [
            Delivery(
                event_id=event.id,
                channel=channel,
                type=event.type,
                subject=event.subject,
                body=body,
                made_us=self._last_us,
                at_us=now_us,
            )
            for channel in channels
        ]

    def _type_of(self, event: AuditEvent) -> EventType | None:
        """None where nobody outside is told, as of a repeated answer or another refusal."""
        reason = event.details.get("reason")
        match event.action:
            case AuditAction.SIMPLE_ENROLL_SUCCESS | AuditAction.SIMPLE_REENROLL_SUCCESS:
                return _GRANTS[event.action] if event.resource_id else None
            case AuditAction.CERTIFICATE_REVOKED:
                return EventType.CERT_REVOKED
            case AuditAction.REQUEST_PENDING:
                return EventType.REQUEST_PENDING
            case AuditAction.AUTH_FAILED_BASIC if self._locks_out(event):
                # The attempt that begins it, and not each one that is refused in it.
                return EventType.AUTH_LOCKED_OUT
            case AuditAction.AUTH_FAILED_CHANNEL_BINDING if reason == "mismatch":
                return EventType.CHANNEL_BINDING_MISMATCH
        return None

    def _locks_out(self, event: AuditEvent) -> bool:
        details = event.details
        return (
            event.outcome is Outcome.FAILURE
            and details.get("reason") != LockedOut.reason
            and details.get("failures") == self._lockout_failures
        )


def expiring_event(record: CertificateRecord, days: int, *, event_id: str, now_us: int) -> Event:
    """The notice that a certificate expires within so many days."""
    return Event(
        id=event_id,
        type=EventType.CERT_EXPIRING_SOON,
        time_us=now_us,
        subject=f"certificate/{record.id}",
        data={
            "certificate_id": record.id,
            "days": days,
            "profile": record.profile,
            "serial": record.serial,
            "subject": record.subject,
            "sans": list(record.sans),
            "issuer_id": record.issuer_id,
            "certificate_profile": record.certificate_profile,
            "principal": record.principal,
            **_validity(record),
            **({"tenant": record.tenant} if record.tenant else {}),
        },
    )


def _event(recorded: RecordedEvent, kind: EventType, issued: Issued) -> Event:
    event = recorded.event
    data: dict[str, str | int | list[str]] = {"profile": event.profile, "actor": event.actor}
    data |= {name: event.details[name] for name in _TOLD if name in event.details}
    if event.resource_type in _ID_NAMES and event.resource_id:
        data[_ID_NAMES[event.resource_type]] = event.resource_id
        subject = f"{event.resource_type}/{event.resource_id}"
    else:
        subject = f"source/{event.source_address}"
    if kind is EventType.CERT_REVOKED:
        data["reason"] = event.details["reason"]
    for name, value in (
        ("source_address", event.source_address),
        ("request_id", event.request_id),
        ("tenant", event.tenant),
    ):
        if value:
            data[name] = value
    if event.count > 1:
        data["count"] = event.count
    if event.resource_id in issued:
        data |= _validity(issued[event.resource_id])
    return Event(id=recorded.id, type=kind, time_us=event.time_us, subject=subject, data=data)


def _validity(record: CertificateRecord) -> dict[str, str]:
    return {
        "not_before": rfc3339(record.not_before_us),
        "not_after": rfc3339(record.not_after_us),
    }
