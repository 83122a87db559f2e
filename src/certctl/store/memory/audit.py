"""Audit events, their chains, checkpoints and the counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.ports import DuplicateKey
from certctl.store.errors import CommandRefused
from certctl.store.memory.base import DIGEST_OCTETS, Reads, Writes


class AuditReads(Reads):
    """``ports.reads.AuditReads``."""

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        rows = self._now().events
        return [
            rows[key]
            for key in sorted(rows)
            if key[1] > after_seq and (node is None or key[0] == node)
        ][:limit]

    def events_about(self, certificate_id: str, *, limit: int = 100) -> Sequence[RecordedEvent]:
        about = [
            each
            for each in self._now().events.values()
            if (each.event.resource_type, each.event.resource_id) == ("certificate", certificate_id)
        ]
        return sorted(about, key=lambda each: (each.event.time_us, each.node, each.seq))[:limit]

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        rows = self._now().checkpoints
        return [rows[number] for number in sorted(rows) if number > after][:limit]

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._now().heads()

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        total: dict[tuple[str, Counter], int] = {}
        for (profile, label, _), n in self._now().counters.items():
            total[profile, label] = total.get((profile, label), 0) + n
        return total


class AuditWrites(Writes):
    """``ports.writes.AuditWrites``."""

    def last_event(self, node: str) -> RecordedEvent | None:
        events = self._open().events
        return max(
            (event for key, event in events.items() if key[0] == node),
            key=lambda event: event.seq,
            default=None,
        )

    def append_events(self, events: Sequence[RecordedEvent]) -> None:
        tables = self._open()
        for event in events:
            if event.seq < 1 or len(event.digest) != DIGEST_OCTETS:
                raise self._failed(CommandRefused("audit_events"))
            if (event.node, event.seq) in tables.events:
                raise self._failed(DuplicateKey("audit_events"))
            tables.events[event.node, event.seq] = event

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._open().heads()

    def last_checkpoint(self) -> Checkpoint | None:
        rows = self._open().checkpoints
        return rows[max(rows)] if rows else None

    def append_checkpoint(self, checkpoint: Checkpoint) -> None:
        rows = self._open().checkpoints
        if checkpoint.number in rows:
            raise self._failed(DuplicateKey("checkpoints"))
        rows[checkpoint.number] = checkpoint

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        counters = self._open().counters
        for (profile, label), n in counts.items():
            counters[profile, label, node] = counters.get((profile, label, node), 0) + n
