"""What each topic of the twin in memory stands on."""

from __future__ import annotations

from certctl.store.memory.tables import Tables

DIGEST_OCTETS = 32


class Reads:
    """Sees what the last transaction has swapped in."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def _now(self) -> Tables:
        if self.closed:
            raise RuntimeError("the records are closed")
        return self.tables


class Writes:
    """Works on a copy of the tables; a refused command spoils the transaction."""

    def __init__(self) -> None:
        self._staged: Tables | None = None
        self._failure: Exception | None = None

    def _open(self) -> Tables:
        if self._staged is None:
            raise RuntimeError("the transaction is over")
        return self._staged

    def _failed(self, failure: Exception) -> Exception:
        self._failure = failure
        return failure
