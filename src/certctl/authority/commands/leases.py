"""Commands of jobs about their leases."""

from __future__ import annotations

import msgspec


class TakeLease(msgspec.Struct, frozen=True, kw_only=True, tag="take_lease"):
    """Ask for a job's lease (records §8). Answer: ``LeaseAnswer``."""

    job: str
    holder: str
    every_us: int
    lease_us: int


class LeaseAnswer(msgspec.Struct, frozen=True, tag="lease"):
    """The fence to name with everything the job writes; None: not now."""

    fence: int | None


class FinishJob(msgspec.Struct, frozen=True, kw_only=True, tag="finish_job"):
    """Give a lease back and say how the run went. Answer: ``JobFinished``."""

    job: str
    fence: int
    outcome: str


class JobFinished(msgspec.Struct, frozen=True, tag="job_finished"):
    pass


LeaseCommand = TakeLease | FinishJob
