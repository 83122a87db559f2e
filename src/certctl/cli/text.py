"""What commands print alike: tables, moments, and JSON instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

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
    # Certificates of other sources may begin long before 1970, which some C libraries refuse.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time_us // SECOND_US)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def utc_z(time_us: int) -> str:
    """The same after RFC 3339, for programs."""
    return f"{utc(time_us).replace(' ', 'T')}Z"


class OutputForm(StrEnum):
    """What ``--output`` chooses."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[
    OutputForm, typer.Option("--output", "--format", help="table for people, json for programs.")
]


def print_json(value: object) -> None:
    """JSON to standard output, in ASCII: no terminal can be talked into anything by it."""
    print(json.dumps(value, indent=2))
