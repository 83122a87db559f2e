"""A CRL on record: what is said of it, beside its octets (records §4, RFC 5280 §5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from certctl.domain.clock import SECOND_US
from certctl.domain.revocation import RevocationReason

RevokedRow: TypeAlias = tuple[bytes, int, str]
"""Serial number (20 octets, big endian), time of revocation in microseconds, and a
``RevocationReason`` or ``REMOVE_FROM_CRL``.
"""

REMOVE_FROM_CRL: Final = "removeFromCRL"
"""The one reason that no certificate is revoked for: a delta CRL releases a hold with it."""

CODES: Final = {reason.value: reason.code for reason in RevocationReason} | {REMOVE_FROM_CRL: 8}
"""CRLReason (RFC 5280 §5.3.1) by its name."""

LETTERS: Final = {reason: chr(ord("a") + code) for reason, code in CODES.items()}
"""One ASCII character for each reason, as packed entries have it."""

UNREASONED: Final = LETTERS[RevocationReason.UNSPECIFIED].encode("ascii")

SERIAL_OCTETS = 20
TIME_DIGITS = 16
PACKED = SERIAL_OCTETS + TIME_DIGITS + 1

COMMON_SERIALS: Final = (b"\x01" + bytes(SERIAL_OCTETS - 1), b"\x80" + bytes(SERIAL_OCTETS - 1))
"""From the first to below the second a serial is written with all of its twenty octets."""

COMMON_TIMES: Final = (10 ** (TIME_DIGITS - 1), 2_524_608_000 * SECOND_US)
"""From September 2001, when sixteen digits began, to before 2050, when UTCTime ends."""


RECENT_US = 600 * SECOND_US
"""Clocks of two nodes, and one set back by hand, may be so far apart."""


def is_listed(not_after_us: int, revoked_us: int, listed_us: int) -> bool:
    """Whether a revoked certificate belongs on a CRL (RFC 5280 §3.3).

    ``listed_us`` is thisUpdate of the newest scheduled CRL before, 0 without one. What had
    expired by then and stood on it is left out; what was revoked after it had expired, and
    so stood on none of before, is not.
    """
    return not_after_us >= listed_us or revoked_us >= listed_us - RECENT_US


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedBlock:
    """Entries of a CRL as the store hands them over: there may be millions.

    A packed entry is ``PACKED`` octets: the serial number, the time of revocation in
    microseconds as sixteen digits, and the reason's letter.

    Attributes:
        packed: entries of common serials and times.
        rare: the others.
    """

    packed: bytes = b""
    rare: Sequence[RevokedRow] = ()


def pack(rows: Iterable[RevokedRow]) -> RevokedBlock:
    """A block of entries that are at hand one by one.

    Raises:
        KeyError: a reason that is none.
    """
    packed, rare = [], []
    for serial, at_us, reason in rows:
        letter = LETTERS[reason].encode("ascii")
        if (
            len(serial) == SERIAL_OCTETS
            and COMMON_SERIALS[0] <= serial < COMMON_SERIALS[1]
            and COMMON_TIMES[0] <= at_us < COMMON_TIMES[1]
        ):
            packed.append(b"%b%d%b" % (serial, at_us, letter))
        else:
            rare.append((serial, at_us, reason))
    return RevokedBlock(packed=b"".join(packed), rare=tuple(rare))


def unpack(block: RevokedBlock) -> list[RevokedRow]:
    """The entries of a block one by one, in no order."""
    reasons = {letter: reason for reason, letter in LETTERS.items()}
    rows, packed = [*block.rare], block.packed
    for start in range(0, len(packed), PACKED):
        digits = start + SERIAL_OCTETS
        letter = digits + TIME_DIGITS
        at_us = int(packed[digits:letter])
        rows.append((packed[start:digits], at_us, reasons[chr(packed[letter])]))
    return rows


PART_OCTETS = 1 << 20
"""A CRL is kept and sent in pieces of so many octets: one is written in milliseconds."""

MAX_PARTS = 512
"""Half a gigabyte, ten million entries: more than any reader takes."""


DELTA: Final = "/delta"
"""No issuer's id has a slash."""


def crl_scope(issuer_id: str, *, delta: bool = False, partition: int | None = None) -> str:
    """What a CRL is kept as: an issuer's full one, its delta CRL, or that of a partition.

    Raises:
        ValueError: both; partitions have no delta CRLs.
    """
    if partition is not None:
        if delta:
            raise ValueError("a partition has no delta CRL")
        return f"{issuer_id}/{partition}"
    return f"{issuer_id}{DELTA}" if delta else issuer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlSeal:
    """What a signature puts around a TBSCertList: the CRL is ``front + tbs + back`` (DER)."""

    front: bytes
    back: bytes

    def around(self, tbs: bytes) -> bytes:
        """The whole CRL."""
        return b"".join((self.front, tbs, self.back))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCrl:
    """What a CA signed; all of it was read from the very octets (times in microseconds).

    ``base_number`` is a delta CRL's, of the full one that it updates;
    ``distribution_point`` is the URL in a partition's, None for a list of the whole issuer.
    ``size`` and ``digest`` (SHA-256) are of its TBSCertList.
    """

    seal: CrlSeal
    size: int
    digest: bytes
    number: int
    this_update_us: int
    next_update_us: int
    base_number: int | None = None
    distribution_point: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlHead:
    """What tells a published CRL from others of its scope, and how fresh it is."""

    number: int
    digest: bytes
    this_update_us: int
    next_update_us: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlRecord:
    """The newest CRL of one scope; times in microseconds since the epoch.

    Attributes:
        scope: see ``crl_scope``.
        before: number of the one before of the same scope, 0 for none.
        number: CRL number; never given to other octets again.
        scheduled_us: thisUpdate of the newest CRL that was made because its time had
            come; this one's own, if it was.
        listed_us: ``scheduled_us`` of the one before it: who had expired by then, and
            stood on that one, is not on this (``is_listed``).
        stamp: the state of the records that it was made from (``revocation_stamp``).
        seal: stands before and after the parts of the TBSCertList.
        parts: how many pieces of at most ``PART_OCTETS`` the TBSCertList is kept in.
        size: octets of the whole CRL.
        digest: SHA-256 of the TBSCertList.
    """

    scope: str
    number: int
    before: int
    this_update_us: int
    next_update_us: int
    scheduled_us: int
    listed_us: int
    stamp: str
    seal: CrlSeal
    parts: int
    size: int
    digest: bytes


def base_of(full: CrlRecord) -> tuple[int, int]:
    """Number and thisUpdate of the CRL that delta CRLs update while this one is the newest.

    It is the full one before it: so whoever has that, or this, can use them (RFC 5280
    §5.2.4). Before there are two it is the first.
    """
    if full.before:
        return full.before, full.listed_us
    return full.number, full.this_update_us
