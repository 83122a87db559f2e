"""What the gates count: limits per principal and failed passwords."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certctl.domain.lockout import Lockout
from certctl.store.memory.base import Reads, Writes


class GateReads(Reads):
    """``ports.reads.GateReads``."""

    def lockout(self, source: str) -> Lockout | None:
        return self._now().lockouts.get(source)


class GateWrites(Writes):
    """``ports.writes.GateWrites``."""

    def limit_hits(self, keys: Collection[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        limits = self._open().limits
        return {key: limits[key] for key in keys if key in limits}

    def record_limit_hits(self, hits: Mapping[bytes, Sequence[int]]) -> None:
        self._open().limits.update((key, tuple(times)) for key, times in hits.items())

    def forget_limits(self, before_us: int, most: int) -> None:
        limits = self._open().limits
        old = [key for key, times in limits.items() if times[-1] <= before_us]
        for key in sorted(old, key=lambda key: limits[key][-1])[:most]:
            del limits[key]

    def hold_sources(self, sources: Collection[str]) -> None:
        """Nobody else writes here."""

    def lockouts(self, sources: Collection[str]) -> Mapping[str, Lockout]:
        rows = self._open().lockouts
        return {each: rows[each] for each in sources if each in rows}

    def record_lockouts(self, rows: Sequence[Lockout]) -> None:
        self._open().lockouts.update({row.source: row for row in rows})

    def clear_lockouts(self, sources: Collection[str]) -> None:
        for each in sources:
            self._open().lockouts.pop(each, None)

    def bound_lockouts(self, over_us: int, most: int) -> None:
        tables = self._open()
        rows = [row for row in tables.lockouts.values() if row.window_began_us > over_us]
        rows.sort(key=lambda row: (-row.window_began_us, row.source))
        tables.lockouts = {row.source: row for row in rows[:most]}
