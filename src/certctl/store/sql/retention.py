"""What retention looks at, and what it drops."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from certctl.domain.audit import RecordedEvent
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.retention import AuditStub
from certctl.store.commands import retention
from certctl.store.queries import retention as queries
from certctl.store.sql.base import Reads, Writes


class RetentionReads(Reads):
    """``ports.reads.RetentionReads``."""

    def stubs(self) -> Sequence[AuditStub]:
        return self._ask(queries.stubs)

    def last_stub(self, node: str) -> AuditStub | None:
        return self._ask(queries.last_stub, node)

    def expired_certificates(
        self, before_us: int, *, after: str = "", limit: int = 100
    ) -> Sequence[str]:
        return self._ask(queries.expired_certificates, before_us, after, limit)


class RetentionWrites(Writes):
    """``ports.writes.RetentionWrites``."""

    __slots__ = ()

    def checkpoint(self, number: int) -> Checkpoint | None:
        return self._run(queries.numbered_checkpoint, number)

    def last_stub(self, node: str) -> AuditStub | None:
        return self._run(queries.last_stub, node)

    def events_between(self, node: str, first: int, last: int) -> Sequence[RecordedEvent]:
        return self._run(queries.events_between, node, first, last)

    def drop_segment(self, stub: AuditStub) -> None:
        self._run(retention.drop_segment, stub)

    def drop_certificates(self, ids: Collection[str], before_us: int) -> int:
        return self._run(retention.drop_certificates, ids, before_us)
