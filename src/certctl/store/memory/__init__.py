"""The store's twin in memory: both sides of the ports in one object, for tests and trials.

It passes the contract suite of the SQL stores, rollback and refusals included, and keeps
nothing. A transaction works on copies and swaps them in at its end, so a reader never
sees half of one; that makes it slow beyond some ten thousand certificates.
"""

from __future__ import annotations

from certctl.store.memory.store import MemoryStore

__all__ = ["MemoryStore"]
