"""What a command prints: a table for people, JSON or YAML for programs.

Without ``--output`` it is a table on a terminal and JSON elsewhere. Text of a server is
escaped, so that no terminal can be talked into anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from certctl.cli.ending import complain
from certctl.cli.text import OutputForm, Quiet, print_data, table
from certctl.domain.plain_text import escaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Printing:
    """How to print."""

    output: Annotated[
        OutputForm | None,
        typer.Option("--output", "--format", help="Default: table on a terminal, otherwise json."),
    ] = None
    quiet: Quiet = False

    @property
    def form(self) -> OutputForm:
        return self.output or (OutputForm.TABLE if sys.stdout.isatty() else OutputForm.JSON)

    def note(self, text: str) -> None:
        """Something good to know, on standard error."""
        if not self.quiet:
            complain(text)

    def show(self, value: object, people: Callable[[], None]) -> None:
        """A value for programs, or a function that makes it; or what ``people`` prints."""
        match self.form:
            case OutputForm.TABLE:
                people()
            case form:
                print_data(value() if callable(value) else value, form)

    def rows(
        self, value: object, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
    ) -> None:
        """A list: ``columns`` names the fields that a table shows, and their heads."""

        def people() -> None:
            cells = [[cell(row.get(name)) for name in columns] for row in rows]
            print_table(list(columns.values()), cells)

        self.show(value, people)

    def fields(self, value: Mapping[str, Any]) -> None:
        """One thing: a line for each of its fields."""

        def people() -> None:
            for name, each in value.items():
                lines = str(each).splitlines() if isinstance(each, str) and "\n" in each else []
                if lines:
                    print(f"{name}:")
                    print("\n".join(map(escaped, lines)))
                else:
                    print(f"{name + ':':22} {cell(each)}")

        self.show(value, people)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; fitted to the terminal where there is one."""
    if not rows:
        complain("Nothing found.")
        return
    if not sys.stdout.isatty():
        print("\n".join(table(head, rows)))
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        # Text, not str: brackets in a name are no markup.
        drawn.add_row(*map(Text, row))
    Console(highlight=False).print(drawn)


def cell(value: object) -> str:
    """A field for people."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            return escaped(value)
        case list() if all(isinstance(each, (str, int)) for each in value):
            return escaped(", ".join(map(str, value)))
        case dict() | list():
            return escaped(json.dumps(value, ensure_ascii=False))
        case _:
            return escaped(str(value))
