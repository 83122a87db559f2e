"""Leases of the jobs, and what they clean up."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.lease import Lease
from certctl.store.commands import (
    leases,
    purge,
)
from certctl.store.queries import leases as lease_queries
from certctl.store.sql.base import Reads, Writes


class JobReads(Reads):
    """``ports.reads.JobReads``."""

    def leases(self) -> Sequence[Lease]:
        return self._ask(lease_queries.all_leases)


class JobWrites(Writes):
    """``ports.writes.JobWrites``."""

    __slots__ = ()

    def lease(self, job: str) -> Lease | None:
        return self._run(lease_queries.lease, job)

    def put_lease(self, lease: Lease) -> None:
        self._run(leases.put_lease, lease)

    def purge_expired(self, now_us: int, most: int) -> int:
        return self._run(purge.purge_expired, now_us, most)
