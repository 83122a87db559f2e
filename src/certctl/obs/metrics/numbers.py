"""Where the processes of a server count: one page of integers each, in shared memory.

The supervisor makes the memory before it forks, and every child inherits it. Each process
writes only its own page and whoever answers for ``/metrics`` reads all of them, so no lock
is needed. A page outlives its process: the next one under this name counts on.

All series are known at start, because label values come from settings and closed sets. To
count is to add to one integer.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final, TypeAlias

from certctl.obs.metrics.families import Family, Kind
from certctl.obs.metrics.late_names import SIZE as NAMES_SIZE
from certctl.obs.metrics.late_names import UNNAMED, LateNames

Labels: TypeAlias = tuple[str, ...]
Page: TypeAlias = "memoryview[int]"
"""Signed integers of 64 bits."""

OTHER: Final = "(other)"
"""Stands in for a label value that is not foreseen. No profile can have this name."""

_OCTETS: Final = 8


class Layout:
    """Which series a page has, and where; a page is the same for every process."""

    def __init__(self, series: Mapping[Family, Sequence[Labels]]) -> None:
        """``series``: the label values of each family, in the order of its labels."""
        self._places: dict[Family, dict[Labels, int]] = {}
        self.size = 0
        for family, rows in series.items():
            places = self._places[family] = {}
            for labels in rows:
                places[labels] = self.size
                self.size += _cells(family)

    def places(self, family: Family) -> Mapping[Labels, int]:
        """Where each series of a family begins."""
        return self._places.get(family, {})

    def gauges(self) -> Iterator[int]:
        """The places of what a process only has while it lives."""
        for family, places in self._places.items():
            if family.kind is Kind.GAUGE:
                yield from places.values()


class Numbers:
    """The pages of all processes, by name."""

    def __init__(self, layout: Layout, processes: Sequence[str]) -> None:
        self.layout = layout
        octets = layout.size * _OCTETS
        # Anonymous and shared: gone with the last process, and in no file.
        pages = octets * len(processes)
        memory = memoryview(mmap.mmap(-1, pages + NAMES_SIZE))
        self.late = LateNames(memory[pages:])
        """Issuers that the store got since the start."""
        self._pages: dict[str, Page] = {
            name: memory[number * octets : (number + 1) * octets].cast("q")
            for number, name in enumerate(processes)
        }

    def page(self, process: str) -> Page:
        return self._pages[process]

    def begin(self, process: str) -> Page:
        """The page of a process that has just started; its gauges are 0."""
        page = self._pages[process]
        for place in self.layout.gauges():
            page[place] = 0
        return page

    def totals(self) -> Totals:
        """All series as they are now."""
        pages = (page.tolist() for page in self._pages.values())
        return Totals(self.layout, [*map(sum, zip(*pages, strict=True))], self.late.names())


class Totals:
    """Sums over all processes at one moment."""

    def __init__(self, layout: Layout, cells: Sequence[int], late: Mapping[str, str]) -> None:
        """``late``: the names that stand behind placeholders."""
        self.layout = layout
        self._cells = cells
        self._late = late

    def series(self, family: Family) -> Iterator[tuple[Labels, Sequence[int]]]:
        """Labels and numbers of each: one, or a histogram's sum and then the number in each
        bucket, the one without bound last.
        """
        width = _cells(family)
        for labels, place in self.layout.places(family).items():
            if labels and labels[0].startswith(UNNAMED):
                if labels[0] not in self._late:
                    continue
                labels = (self._late[labels[0]], *labels[1:])  # noqa: PLW2901 - the same, named
            yield labels, self._cells[place : place + width]


def every(*values: Sequence[str]) -> list[Labels]:
    """All combinations of label values."""
    return list(product(*values))


def _cells(family: Family) -> int:
    return len(family.bounds) + 2 if family.kind is Kind.HISTOGRAM else 1
