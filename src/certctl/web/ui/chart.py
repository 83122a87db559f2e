"""Bar charts as SVG, drawn here: no script, no style attribute; a table says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 520
HEIGHT = 170
_GAP = 0.25


class Series(NamedTuple):
    """``name`` becomes the class of its bars."""

    name: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle in the units of the picture."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars; ``top`` is the value at the upper edge."""

    bars: list[Bar]
    top: int
    width: int = WIDTH
    height: int = HEIGHT


def bars(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """One stack for each label, first series at the bottom."""
    sums = [sum(each.values[at] for each in series) for at in range(len(labels))]
    top = _rounded(max(sums, default=0))
    step = WIDTH / max(1, len(labels))
    drawn = []
    for at in range(len(labels)):
        below = float(HEIGHT)
        for each in series:
            tall = each.values[at] / top * HEIGHT
            if not tall:
                continue
            below -= tall
            drawn.append(
                Bar(
                    each.name,
                    round(at * step + step * _GAP / 2, 1),
                    round(below, 1),
                    round(step * (1 - _GAP), 1),
                    round(tall, 1),
                )
            )
    return Chart(drawn, top)


def _rounded(most: int) -> int:
    """The next of 2, 4, 10, 20, 40 … that is no less: its half is a whole number, too."""
    scale = 2
    while True:
        for each in (1, 2, 5):
            if each * scale >= most:
                return each * scale
        scale *= 10
