"""Places for connections in one process, whichever listener they come to.

Answers for the caps of ``ConnectionLimits``: so many in all, so many per source. A
second listener beside the first must not double them.
"""

from __future__ import annotations

from certctl.tls.limits import ConnectionLimits


class NoPlace(Exception):
    """There are as many connections as there may be. ``source``: from this source."""

    def __init__(self, *, source: bool) -> None:
        super().__init__("source" if source else "total")
        self.source = source


class Places:
    """Counts connections: ``require``, then ``take``, and in the end ``leave``."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._most = limits.max_connections
        self._most_per_source = limits.max_connections_per_source
        self._taken = 0
        self._sources: dict[str, int] = {}

    def require(self, source: str, *, carries_many: bool = False) -> None:
        """There is a place for one more connection of this source.

        ``carries_many`` marks a proxy, which many clients share: only the cap in all
        counts for it.

        Raises:
            NoPlace: a cap is reached.
        """
        if self._taken >= self._most:
            raise NoPlace(source=False)
        if not carries_many and self._sources.get(source, 0) >= self._most_per_source:
            raise NoPlace(source=True)

    def take(self, source: str) -> None:
        """Count one more connection of this source."""
        self._taken += 1
        self._sources[source] = self._sources.get(source, 0) + 1

    def leave(self, source: str) -> None:
        """A connection of this source has ended."""
        self._taken -= 1
        left = self._sources[source] - 1
        if left:
            self._sources[source] = left
        else:
            del self._sources[source]
