"""A bar for long work, on a terminal only: on standard error, so that pipes stay clean."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

import typer


class Progress:
    """One bar after the other, by the names of their stages. Use as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = sys.stderr.isatty() and not quiet
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
