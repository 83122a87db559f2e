"""Time limits that are cheap to set, move and forget.

A connection moves its deadline several times per request and almost never meets it.
Moving it later only stores a number, and those that end in the same eighth of a second
share one timer of the loop: a timer for each cost the server more than what it limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

SLOTS_PER_SECOND: Final = 8
"""A deadline is met up to an eighth of a second late, and never early."""


class Alarms:
    """Wakes the deadlines of one event loop; give it to all of them."""

    __slots__ = ("_slots", "loop", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._slots: dict[int, tuple[asyncio.TimerHandle, set[Deadline]]] = {}
        self.now: Callable[[], float] = loop.time

    def wake(self, deadline: Deadline, slot: int) -> None:
        """Call its ``ring`` when the slot is over, unless it is forgotten before."""
        known = self._slots.get(slot)
        if known is None:
            timer = self.loop.call_at((slot + 1) / SLOTS_PER_SECOND, self._ring, slot)
            self._slots[slot] = timer, {deadline}
        else:
            known[1].add(deadline)

    def forget(self, deadline: Deadline, slot: int) -> None:
        known = self._slots.get(slot)
        if known is None:
            return
        timer, waiting = known
        waiting.discard(deadline)
        if not waiting:
            timer.cancel()
            del self._slots[slot]

    def _ring(self, slot: int) -> None:
        _, waiting = self._slots.pop(slot)
        for deadline in waiting:
            # Each by itself: a fault in one must not keep the others waiting for ever.
            self.loop.call_soon(deadline.ring)


class Deadline:
    """Calls ``callback`` once the time last given to ``start`` has passed."""

    __slots__ = ("_alarms", "_at", "_callback", "_slot")

    def __init__(self, alarms: Alarms, callback: Callable[[], None]) -> None:
        self._alarms = alarms
        self._callback: Callable[[], None] | None = callback
        self._at: float | None = None
        # The slot that wakes this, which may be before the deadline and never after it.
        self._slot: int | None = None

    @property
    def running(self) -> bool:
        return self._at is not None

    def start(self, seconds: float) -> None:
        """Set the deadline ``seconds`` from now, whatever it was."""
        if self._callback is None:
            return
        at = self._at = self._alarms.now() + seconds
        slot = int(at * SLOTS_PER_SECOND)
        if self._slot is None or self._slot > slot:
            self._wake_in(slot)

    def stop(self) -> None:
        """Forget the deadline; this may still be woken, for nothing."""
        self._at = None

    def cancel(self) -> None:
        """End for good: lets go of the callback, and nothing holds this any longer."""
        self._at = None
        self._callback = None
        if self._slot is not None:
            self._alarms.forget(self, self._slot)
            self._slot = None

    def ring(self) -> None:
        """Of ``Alarms``: the slot has come that this wanted to be woken in."""
        self._slot = None
        if self._at is None or self._callback is None:
            return
        slot = int(self._at * SLOTS_PER_SECOND)
        if slot + 1 > self._alarms.now() * SLOTS_PER_SECOND:
            self._wake_in(slot)
            return
        self._at = None
        self._callback()

    def _wake_in(self, slot: int) -> None:
        if self._slot is not None:
            self._alarms.forget(self, self._slot)
        self._slot = slot
        self._alarms.wake(self, slot)
