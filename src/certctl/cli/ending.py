"""How a command ends: its exit code (operator §3), and one line that says why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from certctl.domain.errors import Failure, NotFound
from certctl.domain.failure_words import words_of

if TYPE_CHECKING:
    from certctl.authority.commands import Command, CommandResult
    from certctl.settings.schema import Settings
    from certctl.store import SqlRecords

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_AUTHENTICATION = 4
EXIT_REFUSED = 5
EXIT_PENDING = 6
EXIT_NETWORK = 7
EXIT_FINDINGS = 8
EXIT_INTERRUPTED = 130

T = TypeVar("T")
Result = TypeVar("Result", bound="CommandResult")


def complain(text: str) -> None:
    """Write a line to standard error."""
    print(text, file=sys.stderr)


def stop(text: str, code: int) -> NoReturn:
    """End the command, saying why."""
    complain(f"certctl-server: {text}")
    raise typer.Exit(code)


def from_records(settings: Settings, read: Callable[[SqlRecords], T]) -> T:
    """What ``read`` makes of the records, or the end: the store cannot be read.

    Raises:
        NotFound: from ``read``, which names something that is not there.
    """
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host  # noqa: PLC0415

    try:
        records = host.records(settings)
        try:
            return read(records)
        finally:
            records.close()
    except NotFound:
        raise
    except (StoreError, Failure) as failure:
        stop(str(words_of(failure)), EXIT_FAILED)


def command_done(
    settings: Settings, command_of: Callable[[str], Command], answer: type[Result]
) -> Result:
    """Have the authority carry out what ``command_of`` makes of the operator's name.

    Ends where that is refused, except for what a caller has words of its own for.

    Raises:
        NotFound: the command named something that is not there.
    """
    from certctl.store import StoreError  # noqa: PLC0415 - loads the database, as below
    from certctl.wiring import host  # noqa: PLC0415

    try:
        return host.run_command(settings, command_of(host.operator()), answer)
    except NotFound:
        raise
    except (StoreError, Failure) as failure:
        stop(str(words_of(failure)), EXIT_FAILED)
