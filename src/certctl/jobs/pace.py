"""Long walks of the jobs take a part of one core at most, and end when the process does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

REST: Final = 3.0
"""So many times as long as it has worked, a walk rests."""

SLICE: Final = 500
"""Rows between two looks at the clock."""


class Stopped(Exception):
    """The walk was broken off."""


class Pace:
    """Keeps a walk slow.

    Args:
        rest: waits so many seconds; True: the process ends.
    """

    def __init__(self, rest: Callable[[float], bool]) -> None:
        self._rest = rest

    def walk(self, rows: Iterable[T]) -> Iterator[T]:
        """The rows, with rests between them. Raises Stopped."""
        began = time.perf_counter()
        for number, row in enumerate(rows, 1):
            yield row
            if number % SLICE == 0:
                self.rest(time.perf_counter() - began)
                began = time.perf_counter()

    def rest(self, worked_s: float) -> None:
        """After so many seconds of work. Raises Stopped."""
        if self._rest(worked_s * REST):
            raise Stopped
