"""How long a bench run takes and what it works with."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from bench.build import Programs

SPARE_DESCRIPTORS = 500
"""For everything a server has open besides connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times in seconds."""

    rounds: int
    """Alternations of our server and the bare one; the table shows medians."""
    seconds: float
    warm_up: float
    stall_seconds: float
    idle: int
    """Connections to hold idle."""
    stalled: int
    """Handshakes to leave unfinished."""
    starts: int
    """Starts on an existing store."""


QUICK = Plan(
    rounds=2, seconds=1.5, warm_up=0.4, stall_seconds=3, idle=2_000, stalled=1_000, starts=2
)
# Stalled runs of the full plan last longer than the handshake time limit (10 s),
# so that the server's closing and the attacker's coming back are in the window.
FULL = Plan(rounds=4, seconds=5, warm_up=1, stall_seconds=14, idle=10_000, stalled=1_000, starts=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the bench."""

    plan: Plan
    programs: Programs
    command: Path
    """certctl-server."""
    folder: Path
    """Stores, logs and samples of this run; removed at its end."""
    profile: Path | None
    """Where flame graphs go; None: no profiling."""
    store: Path | None = None
    """A store that ``bench.inventory`` has filled, for the row growth."""

    @property
    def server_core(self) -> list[int]:
        return [min(os.sched_getaffinity(0))]

    @property
    def client_cores(self) -> list[int]:
        """All cores but the server's, or the same one where there is no other."""
        return sorted(os.sched_getaffinity(0) - set(self.server_core)) or self.server_core


def raise_descriptor_limit(idle: int) -> int:
    """Let this process and its children open as many files as idle connections need.

    Returns how many connections fit; fewer than asked when the hard limit of
    this user is lower.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = idle + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < wanted and os.geteuid() == 0:
        hard = wanted
    soft = wanted if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(idle, soft - SPARE_DESCRIPTORS)
