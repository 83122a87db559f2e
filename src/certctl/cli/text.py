"""What commands print alike: tables, moments, and JSON or YAML instead."""

from __future__ import annotations

import json
import sys
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
    YAML = "yaml"


Output = Annotated[
    OutputForm,
    typer.Option("--output", "--format", help="table for people, json or yaml for programs."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only results and errors, no notes, no progress.")
]


def print_json(value: object) -> None:
    """JSON to standard output, in ASCII: no terminal can be talked into anything by it."""
    print(json.dumps(value, indent=2))


def print_yaml(value: object) -> None:
    """YAML to standard output, in ASCII, names in their order."""
    import yaml  # noqa: PLC0415 - few commands print it, and all of them start sooner

    # Through JSON: what is not plain data fails here rather than in a reader.
    plain = json.loads(json.dumps(value))
    yaml.safe_dump(plain, sys.stdout, sort_keys=False, allow_unicode=False)


def print_data(value: object, form: OutputForm) -> None:
    """A value in a form for programs."""
    if form is OutputForm.YAML:
        print_yaml(value)
    else:
        print_json(value)
