"""What is seen of long work, on a terminal only: on standard error, so that pipes stay clean."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, Self

import typer

CLEAR_LINE = "\r\x1b[K"


def is_watched(*, quiet: bool) -> bool:
    """Whether somebody looks on: standard error is a terminal, and may say more than errors."""
    return sys.stderr.isatty() and not quiet


class Progress:
    """One bar after the other, by the names of their stages. Use as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = is_watched(quiet=quiet)
        self._stage = ""
        self._done = 0
        # Its class is private to the library.
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def tell(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` in this stage; a new stage, or a step back, begins anew."""
        if not self._shown:
            return
        if stage != self._stage or self._bar is None or done < self._done:
            self._end()
            self._stage, self._done = stage, 0
            self._bar = typer.progressbar(length=max(total, 1), label=stage, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._done)
        self._done = done

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.__exit__(None, None, None)


class Waiting:
    """A line that counts the seconds, for work elsewhere of which nothing is heard meanwhile.

    It comes after a second, and goes with the end of the work. Use as a context manager.
    """

    def __init__(self, what: str, hint: str = "", *, quiet: bool = False) -> None:
        self._what = what
        self._hint = hint
        self._over = threading.Event()
        self._thread = (
            threading.Thread(target=self._tell, daemon=True) if is_watched(quiet=quiet) else None
        )

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _tell(self) -> None:
        began = time.monotonic()
        is_told = False
        while not self._over.wait(1.0):
            is_told = True
            seconds = int(time.monotonic() - began)
            _write(f"{CLEAR_LINE}{self._what}, {seconds} s{self._hint}")
        if is_told:
            _write(CLEAR_LINE)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
