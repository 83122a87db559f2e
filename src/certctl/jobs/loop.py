"""The loop of the jobs process (records §8): who is due takes its lease and runs.

A job looks first, read-only, whether there is anything to do; so a quiet server writes
nothing. Its lease is a row that only one node can take; what it has the authority write
names the lease's fence. A job that fails says so in its row and is tried again at its
next time; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from certctl.authority.commands import Command, FinishJob, JobFinished, LeaseAnswer, TakeLease
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.errors import Failure
from certctl.domain.failure_words import words_of

Answer = TypeVar("Answer")

# After a fault, or while another node has the lease.
RETRY_US = 5 * SECOND_US


class Caller(Protocol):
    """The authority, as a job calls it."""

    def execute(self, command: Command, answer: type[Answer]) -> Answer: ...


class Job(Protocol):
    """One job. ``every_us`` is the time between two runs, ``lease_us`` longer than any."""

    @property
    def name(self) -> str: ...

    @property
    def every_us(self) -> int: ...

    @property
    def lease_us(self) -> int: ...

    def is_wanted(self, now_us: int) -> bool:
        """Whether a run would do anything; reads only."""
        ...

    def run(self, fence: int) -> None:
        """Do it. Raises Failure when it cannot be done now."""
        ...


class JobLoop:
    """All jobs of this process, one after the other in one thread."""

    def __init__(
        self,
        jobs: Sequence[Job],
        caller: Caller,
        *,
        holder: str,
        clock: Clock,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        self._jobs = jobs
        self._caller = caller
        self._holder = holder
        self._clock = clock
        self._on_fault = on_fault
        self._next_us = {job.name: 0 for job in jobs}
        self._last_tick_us = 0

    def replace(self, jobs: Sequence[Job]) -> None:
        """Other jobs from now on; those that stay keep their time."""
        self._jobs = jobs
        self._next_us = {job.name: self._next_us.get(job.name, 0) for job in jobs}

    def tick(self) -> None:
        """Run every job that is due; call about once a second."""
        now_us = self._clock()
        if now_us < self._last_tick_us:
            # The clock was set back: what was planned by the old one would come too late.
            self._next_us = dict.fromkeys(self._next_us, 0)
        self._last_tick_us = now_us
        for job in self._jobs:
            if now_us >= self._next_us[job.name]:
                self._attempt(job)

    def _attempt(self, job: Job) -> None:
        name, now_us = job.name, self._clock()
        try:
            if not job.is_wanted(now_us):
                self._next_us[name] = now_us + min(job.every_us, RETRY_US)
                return
            wanted = TakeLease(
                job=name, holder=self._holder, every_us=job.every_us, lease_us=job.lease_us
            )
            fence = self._caller.execute(wanted, LeaseAnswer).fence
            if fence is None:
                self._next_us[name] = now_us + RETRY_US
                return
            self._run(job, fence)
            self._next_us[name] = self._clock() + job.every_us
        except Failure as failure:
            self._next_us[name] = now_us + RETRY_US
            self._on_fault(name, failure)
        except Exception as fault:  # noqa: BLE001 - the edge of the job: the others must go on
            self._next_us[name] = now_us + RETRY_US
            self._on_fault(name, fault)

    def _run(self, job: Job, fence: int) -> None:
        try:
            job.run(fence)
        except Exception as fault:
            # Where the authority cannot be told, the job's own failure is still what is raised.
            with suppress(Failure):
                self._finish(job, fence, _outcome(fault))
            raise
        self._finish(job, fence, "ok")

    def _finish(self, job: Job, fence: int, outcome: str) -> None:
        done = FinishJob(job=job.name, fence=fence, outcome=outcome)
        self._caller.execute(done, JobFinished)


def _outcome(fault: Exception) -> str:
    if isinstance(fault, Failure):
        return str(words_of(fault))
    # Without its text, which may hold anything: the log has that, and the trace.
    return f"a fault of this program ({type(fault).__name__}); its log has the trace"
