"""The limit per principal (policy §5): an exact sliding window of 24 hours.

Who is limited is derived from what is asked for and where it comes from, never taken
from the asker: somebody else who uses a device's name elsewhere spends another window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_network

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import RateLimited
from certctl.domain.names import DistinguishedName
from certctl.domain.san import GeneralName

MAX_LIMIT = 10_000
"""Certificates in 24 hours; a window is one row with the time of each of them."""

WINDOW_US = DAY_US


def limit_key(
    profile: str, subject: DistinguishedName, sans: Sequence[GeneralName], source: str
) -> bytes:
    """SHA-256 of who is limited: (profile, CN or, without CN, subject or SANs; source).

    IPv6 sources count per /64: one line has so many addresses.
    """
    common_name = subject.common_name()
    who: tuple[str, ...]
    if common_name is not None:
        who = ("cn", common_name)
    elif not subject.is_empty:
        who = ("subject", subject.text())
    else:
        who = ("sans", *sorted({f"{name.kind.value}:{name.value}" for name in sans}))
    key = hashlib.sha256()
    for part in (profile, _network(source), *who):
        octets = part.encode("utf-8", "surrogatepass")
        key.update(len(octets).to_bytes(4, "big") + octets)
    return key.digest()


def window(hits: Sequence[int], now_us: int) -> tuple[int, ...]:
    """The times of ``hits`` (oldest first) that still count.

    A clock that went backwards opens no second window: time is never before the newest.
    """
    began_us = _never_before(hits, now_us) - WINDOW_US
    return tuple(time_us for time_us in hits if time_us > began_us)


def require_room(counted: Sequence[int], *, limit: int, now_us: int) -> None:
    """Let one more through, or say when there will be room.

    Raises:
        RateLimited: ``counted`` (from ``window``) holds ``limit`` times or more.
    """
    if len(counted) < limit:
        return
    free_us = counted[len(counted) - limit] + WINDOW_US
    raise RateLimited(limit=limit, retry_after=max(1, -((now_us - free_us) // SECOND_US)))


def one_more(counted: Sequence[int], now_us: int) -> tuple[int, ...]:
    """The window with a certificate that was signed now."""
    return (*counted, _never_before(counted, now_us))


def _never_before(hits: Sequence[int], now_us: int) -> int:
    return max(now_us, hits[-1]) if hits else now_us


def _network(source: str) -> str:
    text = source.partition("%")[0]
    if ":" not in text:
        return text  # an IPv4 address has one text only
    try:
        address = IPv6Address(text)
    except ValueError:
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
