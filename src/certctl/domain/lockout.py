"""The lock-out of sources that try wrong passwords (est §3, security "Limits").

Rules only; the authority applies them in its transaction, so that guesses through all
workers at once are counted one after the other. Counts by address and nothing else:
failing under somebody's name locks nobody but oneself out.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from certctl.domain.clock import SECOND_US

MAX_SOURCES = 50_000
"""Sources kept at most; the oldest windows go first."""

_MAX_TEXT = 64

# Behind a translator that keeps the IPv4 address (RFC 6052), one /64 is the whole of IPv4.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockoutRule:
    """After ``failures`` wrong passwords in a row within ``window_us`` a source waits."""

    failures: int = 10
    window_us: int = 3_600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockout:
    """The wrong passwords of one source (``source_key``) since its window began."""

    source: str
    failures: int
    window_began_us: int


def source_key(address: str) -> str:
    """What a client's address counts under: IPv4 as it is, IPv6 by its /64.

    A household or a cloud tenant has a /64 at least, so that each single address would
    be a new source. What is no address (a proxy may hand on a word) counts as written.
    """
    if ":" not in address:
        return address[:_MAX_TEXT]
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:_MAX_TEXT]
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _TRANSLATED:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF))
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


def locked_seconds(row: Lockout | None, rule: LockoutRule, now_us: int) -> int:
    """How long this source still waits, in whole seconds; 0 when it need not.

    A window that begins in the future (the clock was set back) locks nobody by itself:
    only ``current`` in the authority can say when it ends.
    """
    if row is None or row.failures < rule.failures or row.window_began_us > now_us:
        return 0
    left_us = row.window_began_us + rule.window_us - now_us
    return -(-left_us // SECOND_US) if left_us > 0 else 0


def current(row: Lockout | None, rule: LockoutRule, now_us: int) -> Lockout | None:
    """The row as it counts now; None when its window is over.

    After a clock was set back the window begins anew with the same count: nobody gets
    more guesses out of it, and nobody waits longer than one window.
    """
    if row is None or row.window_began_us + rule.window_us <= now_us:
        return None
    if row.window_began_us > now_us:
        return replace(row, window_began_us=now_us)
    return row


def one_more(row: Lockout | None, source: str, now_us: int) -> Lockout:
    """The row after one more wrong password; ``row`` must be ``current``."""
    if row is None:
        return Lockout(source=source, failures=1, window_began_us=now_us)
    return replace(row, failures=row.failures + 1)
