"""The audit chain of one node: each event holds the hash of the one before (records §5).

The canonical form is a JSON array of all fields in a fixed order, keys of ``details``
sorted, UTF-8. The digest is SHA-256 over the previous digest and that form, so any
change, removal, insertion or reordering shows when the chain is walked again.

Times never go back along a chain (records §2, Clock). An event is never put before the
one that was recorded before it, be it that a worker saw it a moment earlier or that the
clock was set back; where the clock was off by more than a moment, ``details`` say under
``clock`` what it showed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace

from certctl.domain.audit import AuditEvent, RecordedEvent
from certctl.domain.clock import STEP_US
from certctl.domain.ids import NewId

GENESIS = bytes(32)
"""What the first event of a node follows."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Chain:
    """The growing end of this node's chain, as far as it is committed."""

    __slots__ = ("_digest", "_node", "_seq", "_time_us")

    def __init__(self, node: str, last: RecordedEvent | None) -> None:
        self._node = node
        self._seq = last.seq if last else 0
        self._digest = last.digest if last else GENESIS
        self._time_us = last.event.time_us if last else 0

    def extend(self, events: Sequence[AuditEvent], new_id: NewId) -> list[RecordedEvent]:
        """Give events their place. Nothing is kept until ``advance``."""
        recorded = []
        seq, previous, time_us = self._seq, self._digest, self._time_us
        for each in events:
            event = _not_before(time_us, each)
            time_us = event.time_us
            seq += 1
            event_id = new_id()
            digest = event_digest(previous, event_id, self._node, seq, event)
            recorded.append(
                RecordedEvent(
                    id=event_id,
                    node=self._node,
                    seq=seq,
                    event=event,
                    previous_digest=previous,
                    digest=digest,
                )
            )
            previous = digest
        return recorded

    def advance(self, recorded: list[RecordedEvent]) -> None:
        """Take over events that are committed."""
        if recorded:
            self._seq = recorded[-1].seq
            self._digest = recorded[-1].digest
            self._time_us = recorded[-1].event.time_us


def _not_before(time_us: int, event: AuditEvent) -> AuditEvent:
    """The event, at this time if it would come before it."""
    if event.time_us >= time_us:
        return event
    details = event.details
    if time_us - event.time_us > STEP_US:
        shown = _EPOCH + timedelta(microseconds=event.time_us)
        details = {**details, "clock": shown.isoformat(timespec="milliseconds")}
    return replace(event, time_us=time_us, details=details)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_digest(previous: bytes, event_id: str, node: str, seq: int, event: AuditEvent) -> bytes:
    """SHA-256 of the previous digest (32 octets) and the event's canonical form."""
    form = _encoder.encode(
        (
            event_id,
            node,
            seq,
            event.time_us,
            event.actor,
            event.actor_type,
            event.action,
            event.outcome,
            event.profile,
            event.resource_type,
            event.resource_id,
            event.source_address,
            event.request_id,
            event.auth_mode,
            event.client_certificate_subject,
            event.client_certificate_serial,
            event.tls_version,
            event.count,
            event.details,
            event.tenant,
        )
    )
    return hashlib.sha256(previous + form).digest()
