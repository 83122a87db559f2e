"""A lease: one job runs on one node at a time (records §8).

The fence rises with each taking. Whatever a job has the authority write names its fence,
so that one whose lease ran out (a paused machine, a long pass) writes nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One job's row.

    Attributes:
        job: its name.
        holder: who runs it, ``NODE/PID``; stays after the run as "who ran it last".
        fence: how often it was taken so far.
        until_us: until when the holder owns it; 0 when nobody does.
        last_run_us: end of the last complete run; 0 before the first.
        outcome: what that run said about itself: ``ok``, or what was wrong.
    """

    job: str
    holder: str = ""
    fence: int = 0
    until_us: int = 0
    last_run_us: int = 0
    outcome: str = ""
