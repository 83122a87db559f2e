"""How commands of ``certctl-cli`` and ``certctl-est`` end: the one table from failures to
exit codes (operator §3), and what is said on standard error.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from certctl.cli.ending import (
    EXIT_AUTHENTICATION,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NETWORK,
    EXIT_NOT_FOUND,
    EXIT_PENDING,
    EXIT_REFUSED,
    EXIT_USAGE,
    complain,
)
from certctl.client.failures import (
    BadInput,
    ClientFailure,
    Refused,
    StillPending,
    TlsFailed,
    Unreachable,
)

Command = TypeVar("Command", bound=Callable[..., None])


def exit_code(failure: ClientFailure) -> int:
    """What a failure ends with."""
    match failure:
        case StillPending():
            return EXIT_PENDING
        case Refused():
            return _status_code(failure.status)
        case Unreachable() | TlsFailed():
            return EXIT_NETWORK
        case BadInput():
            return EXIT_USAGE
        case _:
            return EXIT_FAILED


def _status_code(status: int) -> int:
    match status:
        case 401:
            return EXIT_AUTHENTICATION
        case 404 | 501:
            return EXIT_NOT_FOUND
        case _ if status in range(400, 500):
            return EXIT_REFUSED
        case _:
            return EXIT_FAILED


def program() -> str:
    """The name by which people called us."""
    return Path(sys.argv[0]).name


def give_up(failure: ClientFailure) -> NoReturn:
    """Say what happened, line by line, and end."""
    first, *rest = failure.lines()
    complain(f"{program()}: {first}")
    for line in rest:
        complain(f"  {line}")
    raise typer.Exit(exit_code(failure))


def ending(command: Command) -> Command:
    """A command whose failures end it in words."""

    @functools.wraps(command)
    def guarded(*given: Any, **named: Any) -> None:
        try:
            command(*given, **named)
        except ClientFailure as failure:
            give_up(failure)
        except BrokenPipeError:
            # Whoever read our output has enough; Python must not complain at the end, too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except OSError as err:
            where = f"{err.filename}: " if err.filename else ""
            give_up(ClientFailure(f"{where}{err.strerror or err}."))

    return guarded  # type: ignore[return-value]
