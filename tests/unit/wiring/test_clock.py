"""A clock that is set by more than five minutes is told of, once, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from certctl.domain.clock import SECOND_US
from certctl.obs.log import Log
from certctl.wiring.clock import ClockWatch


@dataclass
class Lines:
    """What was logged."""

    told: list[tuple[str, int]] = field(default_factory=list)

    def warning(self, event: str, *, seconds: int) -> None:
        self.told.append((event, seconds))


@dataclass
class Machine:
    """Two clocks; only one of them can be set."""

    steady_us: int = 77 * SECOND_US
    system_us: int = 1_800_000_000 * SECOND_US
    lines: Lines = field(default_factory=Lines)

    def __post_init__(self) -> None:
        self.watch = ClockWatch(
            cast("Log", self.lines), lambda: self.system_us, lambda: self.steady_us
        )

    def pass_by(self, seconds: int, *, step: int = 0) -> None:
        self.steady_us += seconds * SECOND_US
        self.system_us += (seconds + step) * SECOND_US
        self.watch.look()


@pytest.mark.parametrize("step", [301, -301, 3_600, -3_600])
def test_a_step_is_told_once(step: int) -> None:
    machine = Machine()
    machine.pass_by(1, step=step)
    machine.pass_by(1)
    machine.pass_by(7_200)
    assert machine.lines.told == [("clock_stepped", step)]


@pytest.mark.parametrize("step", [0, 1, -1, 300, -300])
def test_time_that_passes_and_small_corrections_are_not(step: int) -> None:
    machine = Machine()
    for _ in range(3):
        machine.pass_by(86_400, step=step)
    assert machine.lines.told == []
