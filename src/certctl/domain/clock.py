"""Time as an argument: nothing below the edges reads a clock by itself.

All times inside the program are integers, microseconds since 1970-01-01T00:00:00Z
(UTC), named ``*_us``: they compare, store and travel without conversion.
"""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]
"""Gives now, in microseconds since the epoch (UTC)."""

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US

STEP_US = 300 * SECOND_US
"""A clock that is set by more than this is told of; less is what keeping time takes."""
