"""Identifiers made by us. Randomness comes in as an argument."""

from __future__ import annotations

from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable octets."""

NewId = Callable[[], str]


def sortable_id(now_us: int, random: RandomBytes) -> str:
    """32 hexadecimal characters: 48 bits of milliseconds, then 80 random bits.

    Ids sort by the time they were made, to the millisecond.
    """
    return ((now_us // 1000).to_bytes(6, "big") + random(10)).hex()


def oldest_id(time_us: int) -> str:
    """No sortable id that was made at this time or later is below this one."""
    return (time_us // 1000).to_bytes(6, "big").hex() + "0" * 20


def request_id(random: RandomBytes) -> str:
    """16 hexadecimal characters, shown to clients and kept in records."""
    return random(8).hex()
