"""What a bench run found: rows under load, single facts, and goals met or missed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.loadgen import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRow:
    """Alternating runs against our server and, where it makes sense, the bare one."""

    name: str
    ours: list[Measured] = field(default_factory=list)
    bare: list[Measured] = field(default_factory=list)

    def ratio(self) -> float:
        """Our CPU per answer divided by the bare server's."""
        return cpu(self.ours) / cpu(self.bare)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal of the performance specification beside what was measured."""

    name: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    loads: list[LoadRow] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)


def median(runs: list[Measured], value: Callable[[Measured], float]) -> float:
    """The middle of all rounds: one disturbed round does not move it."""
    return statistics.median(map(value, runs))


def rate(runs: list[Measured]) -> float:
    """Good answers per second."""
    return median(runs, lambda run: run.rate)


def cpu(runs: list[Measured]) -> float:
    """Server CPU microseconds per good answer."""
    return median(runs, lambda run: run.server_us)


def p50(runs: list[Measured]) -> float:
    """Median latency in milliseconds."""
    return median(runs, lambda run: run.p50_ms)


def p99(runs: list[Measured]) -> float:
    """99th percentile of the latency in milliseconds."""
    return median(runs, lambda run: run.p99_ms)


def at_least(name: str, measured: float, limit: float, unit: str = "") -> Goal:
    return Goal(
        name=name,
        wanted=f"≥ {limit:,g}{unit}",
        measured=_text(measured, unit),
        met=measured >= limit,
    )


def at_most(name: str, measured: float, limit: float, unit: str = "") -> Goal:
    return Goal(
        name=name,
        wanted=f"≤ {limit:,g}{unit}",
        measured=_text(measured, unit),
        met=measured <= limit,
    )


def _text(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}{unit}"
