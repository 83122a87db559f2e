"""Identifiers made by us. Randomness comes in as an argument."""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]
"""Gives that many unpredictable octets."""

NewId = Callable[[], str]


def sortable_id(now_us: int, random: RandomBytes) -> str:
    """26 characters: 48 bits of milliseconds, then 80 random bits, in base32hex.

    base32hex keeps the order of the octets, so ids sort by the time they were made.
    """
    octets = (now_us // 1000).to_bytes(6, "big") + random(10)
    return b32hexencode(octets)[:26].decode("ascii")


def request_id(random: RandomBytes) -> str:
    """16 hexadecimal characters, shown to clients and kept in records."""
    return random(8).hex()
