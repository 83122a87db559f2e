"""What commands print alike: tables and moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from certctl.domain.clock import SECOND_US


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def utc(time_us: int) -> str:
    """Date and time to the second, without a word on the zone."""
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%d %H:%M:%S}"
