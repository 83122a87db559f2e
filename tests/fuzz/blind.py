"""Fuzzing without feedback: seeds, mutations, a law, and a watch over the time.

The same seed gives the same inputs, so the short form in the test-suite says the same on
every machine. ``scripts/fuzz`` takes it where atheris is not to be had.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tests.fuzz.mutate import mutate
from tests.fuzz.targets import Target

HANG_S = 5.0
"""Seconds of processor time for one input; the slowest known takes a hundredth of one."""


class Hang(Exception):
    """One input took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An input that broke the law, and how."""

    data: bytes
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did; it ends with the first finding."""

    executions: int
    finding: Finding | None


def try_one(target: Target, data: bytes) -> Finding | None:
    """Hold the law against one input."""
    try:
        with _watched():
            target.law(data)
    except Exception as err:  # noqa: BLE001 - whatever comes out is the finding
        return Finding(data=data, problem=f"{type(err).__name__}: {err}")
    return None


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """First the corpus as it is, then without end what can be made of it."""
    pool = target.corpus()
    yield from pool
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    while True:
        yield mutate(chance.choice(pool), pool, chance, longest=target.longest)


def run(
    target: Target, *, seed: int, executions: int | None = None, seconds: float | None = None
) -> Outcome:
    """Try inputs until one is found, or the number or the time is used up."""
    end = None if seconds is None else time.monotonic() + seconds
    done = 0
    for data in inputs(target, seed):
        if done == executions or (end is not None and time.monotonic() > end):
            break
        done += 1
        finding = try_one(target, data)
        if finding is not None:
            return Outcome(executions=done, finding=finding)
    return Outcome(executions=done, finding=None)


@contextmanager
def _watched() -> Iterator[None]:
    # Processor time: a busy machine is no hang. And the other timer is pytest's.
    before = signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _hang(_signal: int, _frame: FrameType | None) -> None:
    raise Hang(f"more than {HANG_S} s")
