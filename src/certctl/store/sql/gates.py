"""What the gates count: limits per principal and failed passwords."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.lockout import Lockout
from certctl.store.commands import (
    limits,
    lockouts,
    placeholders,
)
from certctl.store.queries import lockouts as lockout_queries
from certctl.store.sql.base import Reads, Writes


class GateReads(Reads):
    """``ports.reads.GateReads``."""

    def lockout(self, source: str) -> Lockout | None:
        return self._ask(lockout_queries.of_source, source)


class GateWrites(Writes):
    """``ports.writes.GateWrites``."""

    __slots__ = ()

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        return self._run(placeholders.hold_limits, keys, self._held)

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        self._run(limits.record_hits, hits)

    def forget_limits(self, before_us: int, most: int) -> None:
        self._run(limits.forget, before_us, most)

    def hold_sources(self, sources: Collection[str]) -> None:
        self._run(placeholders.hold_sources, sources, self._held)

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        rows = self._run(lockout_queries.ours_by_source, sources)
        return {source: row for source, row in rows.items() if row.failures}

    def record_lockouts(self, rows: Sequence[Lockout]) -> None:
        self._run(lockouts.record_lockouts, rows)

    def clear_lockouts(self, sources: Collection[str]) -> None:
        self._run(lockouts.clear_lockouts, sources)

    def bound_lockouts(self, over_us: int, most: int) -> None:
        self._run(lockouts.bound_lockouts, over_us, most)
