"""Identifiers made by us. Randomness comes in as an argument."""

from __future__ import annotations

from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable octets."""

NewId = Callable[[], str]

_SORTABLE_OCTETS = 16


def sortable_id(now_us: int, random: RandomBytes) -> str:
    """32 hexadecimal characters: 48 bits of milliseconds, then 80 random bits.

    Ids sort by the time they were made, to the millisecond.
    """
    return ((now_us // 1000).to_bytes(6, "big") + random(10)).hex()


def made_us(identifier: str) -> int | None:
    """When a sortable id was made, to the millisecond; None of what is none."""
    try:
        octets = bytes.fromhex(identifier)
    except ValueError:
        return None
    return int.from_bytes(octets[:6], "big") * 1000 if len(octets) == _SORTABLE_OCTETS else None


def oldest_id(time_us: int) -> str:
    """No sortable id that was made at this time or later is below this one."""
    return (time_us // 1000).to_bytes(6, "big").hex() + "0" * 20


def request_id(random: RandomBytes) -> str:
    """16 hexadecimal characters, shown to clients and kept in records."""
    return random(8).hex()
