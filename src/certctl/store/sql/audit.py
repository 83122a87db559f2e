"""Audit events, their chains, checkpoints and the counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from certctl.domain.audit import Counter, RecordedEvent
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.store.commands import (
    audit,
    checkpoints,
    counters,
)
from certctl.store.queries import audit as audit_queries
from certctl.store.queries import checkpoints as checkpoint_queries
from certctl.store.queries import counters as counter_queries
from certctl.store.sql.base import Reads, Writes


class AuditReads(Reads):
    """``ports.reads.AuditReads``."""

    def events(
        self, *, after_seq: int = 0, limit: int = 100, node: str | None = None
    ) -> Sequence[RecordedEvent]:
        """Events with a seq above ``after_seq`` in order of (node, seq).

        A store with several chains is paged one node after the other: name the ``node``.
        """
        return self._ask(audit_queries.page, node, after_seq, limit)

    def events_about(self, certificate_id: str, *, limit: int = 100) -> Sequence[RecordedEvent]:
        return self._ask(audit_queries.about_certificate, certificate_id, limit)

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> Sequence[Checkpoint]:
        return self._ask(checkpoint_queries.page, after, limit)

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._ask(checkpoint_queries.chain_heads)

    def counts(self) -> Mapping[tuple[str, Counter], int]:
        return self._ask(counter_queries.counts)


class AuditWrites(Writes):
    """``ports.writes.AuditWrites``."""

    __slots__ = ()

    def last_event(self, node: str) -> RecordedEvent | None:
        return self._run(audit_queries.last_event, node)

    def append_events(self, events: Sequence[RecordedEvent]) -> None:
        self._run(audit.append_events, events)

    def chain_heads(self) -> Sequence[ChainHead]:
        return self._run(checkpoint_queries.chain_heads)

    def last_checkpoint(self) -> Checkpoint | None:
        return self._run(checkpoint_queries.last_checkpoint)

    def append_checkpoint(self, checkpoint: Checkpoint) -> None:
        self._run(checkpoints.append_checkpoint, checkpoint)

    def add_counts(self, node: str, counts: Mapping[tuple[str, Counter], int]) -> None:
        self._run(counters.add_counts, node, counts)
