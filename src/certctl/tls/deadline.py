"""One timer per purpose that is cheap to move.

A connection moves its deadline several times per request and almost never meets it.
Moving it later only stores a number; the loop's timer is touched when it has to ring
earlier, or when it rings and finds that the deadline has moved on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# uvloop counts whole milliseconds, so a timer may ring a moment before its time.
_EARLY_S = 0.002


class Deadline:
    """Calls ``callback`` once the time last given to ``start`` has passed."""

    __slots__ = ("_at", "_callback", "_handle", "_loop", "_rings_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback: Callable[[], None] | None = callback
        self._at: float | None = None
        self._rings_at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        return self._at is not None

    def start(self, seconds: float) -> None:
        """Set the deadline ``seconds`` from now, whatever it was."""
        if self._callback is None:
            return
        at = self._at = self._loop.time() + seconds
        if self._handle is None or self._rings_at > at:
            self._schedule(at)

    def stop(self) -> None:
        """Forget the deadline; the loop's timer may still ring, for nothing."""
        self._at = None

    def cancel(self) -> None:
        """End for good: lets go of the loop's timer and of the callback."""
        self._at = None
        self._callback = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._rings_at = at
        self._handle = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._handle = None
        if self._at is None or self._callback is None:
            return
        if self._at - self._loop.time() > _EARLY_S:
            self._schedule(self._at)
            return
        self._at = None
        self._callback()
