"""The audit chain of one node: each event holds the hash of the one before (records §5).

The canonical form is a JSON array of all fields in a fixed order, keys of ``details``
sorted, UTF-8. The digest is SHA-256 over the previous digest and that form, so any
change, removal, insertion or reordering shows when the chain is walked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from certctl.domain.audit import AuditEvent, RecordedEvent
from certctl.domain.ids import NewId

GENESIS = bytes(32)
"""What the first event of a node follows."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Chain:
    """The growing end of this node's chain, as far as it is committed."""

    __slots__ = ("_digest", "_node", "_seq")

    def __init__(self, node: str, last: RecordedEvent | None) -> None:
        self._node = node
        self._seq = last.seq if last else 0
        self._digest = last.digest if last else GENESIS

    def extend(self, events: Sequence[AuditEvent], new_id: NewId) -> list[RecordedEvent]:
        """Give events their place. Nothing is kept until ``advance``."""
        recorded = []
        seq, previous = self._seq, self._digest
        for event in events:
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
