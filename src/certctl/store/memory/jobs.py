"""Leases of the jobs, and what they clean up."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.lease import Lease
from certctl.domain.ports import DuplicateKey
from certctl.store.memory.base import Reads, Writes


class JobReads(Reads):
    """``ports.reads.JobReads``."""

    def leases(self) -> Sequence[Lease]:
        rows = self._now().leases
        return [rows[job] for job in sorted(rows)]


class JobWrites(Writes):
    """``ports.writes.JobWrites``."""

    def lease(self, job: str) -> Lease | None:
        return self._open().leases.get(job)

    def put_lease(self, lease: Lease) -> None:
        rows = self._open().leases
        held = rows.get(lease.job)
        same = held and (held.fence, held.holder) == (lease.fence, lease.holder)
        if held and not same and held.fence >= lease.fence:
            raise self._failed(DuplicateKey("leases.fence"))
        rows[lease.job] = lease

    def purge_expired(self, now_us: int, most: int) -> int:
        rows = self._open().repetitions
        expired = [key for key, (_, expires_us) in rows.items() if expires_us <= now_us][:most]
        for key in expired:
            del rows[key]
        return len(expired)
