"""What a process counts with: each adds to integers of its page, and nothing else.

They are called for every request: an addition costs a fraction of a microsecond, and
nothing is made for it. One thread of a process for one series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from certctl.obs.metrics.families import Family
from certctl.obs.metrics.late_names import LateNames
from certctl.obs.metrics.numbers import OTHER, Labels, Layout, Page


class Counter:
    """A family without labels, or one series of it."""

    __slots__ = ("_page", "_place")

    def __init__(self, page: Page, place: int) -> None:
        self._page = page
        self._place = place

    def add(self) -> None:
        self._page[self._place] += 1


class Gauge(Counter):
    """What goes up and down."""

    __slots__ = ()

    def set(self, value: int) -> None:
        self._page[self._place] = value


class Counters:
    """A family by label values."""

    __slots__ = ("_late", "_page", "_places")

    def __init__(
        self, page: Page, layout: Layout, family: Family, late: LateNames | None = None
    ) -> None:
        """``late``: where a first label that is not foreseen may have a series all the same."""
        self._page = page
        self._places = layout.places(family)
        self._late = late

    def add(self, *labels: str) -> None:
        """Count one. With a last label that is not foreseen it goes to ``OTHER``, and with
        another one nowhere: then the settings know nothing of it.
        """
        place = self._places.get(labels)
        if place is None and self._late is not None:
            first = self._late.placeholder(labels[0]) or OTHER
            place = self._places.get((first, *labels[1:]))
        if place is None:
            place = self._places.get((*labels[:-1], OTHER))
        if place is not None:
            self._page[place] += 1

    def add_many(self, number: int, *labels: str) -> None:
        """Count so many of what is foreseen."""
        self._page[self._places[labels]] += number


class Histogram:
    """Values in the unit that its family counts in."""

    __slots__ = ("_bounds", "_first", "_page", "_place")

    def __init__(self, page: Page, place: int, family: Family) -> None:
        self._page = page
        self._place = place
        self._first = place + 1
        self._bounds = family.bounds

    def observe(self, value: int) -> None:
        page = self._page
        page[self._place] += value
        page[self._first + bisect_left(self._bounds, value)] += 1


def histograms(page: Page, layout: Layout, family: Family) -> Mapping[Labels, Histogram]:
    """One histogram per series of a family."""
    return {
        labels: Histogram(page, place, family) for labels, place in layout.places(family).items()
    }
