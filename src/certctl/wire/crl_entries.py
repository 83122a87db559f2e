"""The entries of a CRL as bytes (RFC 5280 §5.1.2.6), a million of them in a fraction of a second.

Nearly all have a serial of twenty octets and a UTCTime, so they are equally long for
each reason. They are written column by column: an octet's place in all entries of a
chunk is one strided copy, which the interpreter does without looking at any entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress
from operator import not_
from typing import Final

import msgspec

from certctl.domain.clock import SECOND_US
from certctl.domain.crl import (
    CODES,
    COMMON_TIMES,
    LETTERS,
    PACKED,
    REMOVE_FROM_CRL,
    SERIAL_OCTETS,
    TIME_DIGITS,
    UNREASONED,
    RevokedBlock,
    RevokedRow,
)
from certctl.wire.certificate import extension
from certctl.wire.der import INTEGER, SEQUENCE, encode, integer_octets
from certctl.wire.times import UTC_TIME, encode_time

REASON_CODE: Final = "2.5.29.21"
_ENUMERATED = 0x0A

CHUNK = 19_000
"""Entries that fit into one piece of a CRL."""

_RARE_CHUNK = 10_000
_DAY = 86_400
_SECONDS_DIGITS = TIME_DIGITS - 6
_READ_MOMENTS = msgspec.json.Decoder(list[int]).decode

UTC_OCTETS: Final = 13
PLAIN_ENTRY: Final = 2 + (2 + SERIAL_OCTETS) + (2 + UTC_OCTETS)
REASON_HEAD: Final = bytes.fromhex("300c 300a 0603551d15 0403 0a01")
"""SEQUENCE { SEQUENCE { OID reasonCode, OCTET STRING { ENUMERATED } } }; the value follows."""

REASONED_ENTRY: Final = PLAIN_ENTRY + len(REASON_HEAD) + 1

SERIAL_AT: Final = 4
TIME_AT: Final = SERIAL_AT + SERIAL_OCTETS + 2

_PLAIN: Final = b"".join(
    (
        bytes((SEQUENCE, PLAIN_ENTRY - 2, INTEGER, SERIAL_OCTETS)),
        bytes(SERIAL_OCTETS),
        bytes((UTC_TIME, UTC_OCTETS)),
        b"000000000000Z",
    )
)
_REASONED: Final = bytes((SEQUENCE, REASONED_ENTRY - 2)) + _PLAIN[2:] + REASON_HEAD + b"\x00"
_LETTER_TO_CODE: Final = bytes.maketrans(
    "".join(LETTERS.values()).encode("ascii"), bytes(CODES[reason] for reason in LETTERS)
)


def packed_size(block: RevokedBlock) -> int:
    """Octets that a block's packed entries take."""
    plain = block.packed[PACKED - 1 :: PACKED].count(UNREASONED)
    return plain * PLAIN_ENTRY + (len(block.packed) // PACKED - plain) * REASONED_ENTRY


def encode_packed(blocks: Iterable[RevokedBlock], *, delta: bool) -> Iterator[bytes]:
    """All packed entries, ``CHUNK`` at a time.

    Raises:
        ValueError: removeFromCRL in a full CRL.
    """
    step = CHUNK * PACKED
    for block in blocks:
        for start in range(0, len(block.packed), step):
            plain, reasoned = _by_shape(block.packed[start : start + step])
            if plain:
                yield bytes(_encode(plain, _PLAIN))
            if reasoned:
                codes = reasoned[PACKED - 1 :: PACKED].translate(_LETTER_TO_CODE)
                if not delta and CODES[REMOVE_FROM_CRL] in codes:
                    raise ValueError("only a delta CRL removes an entry")
                entries = _encode(reasoned, _REASONED)
                entries[REASONED_ENTRY - 1 :: REASONED_ENTRY] = codes
                yield bytes(entries)


def encode_rare(rows: Sequence[RevokedRow], *, delta: bool) -> list[bytes]:
    """Entries of any serial and time, some thousands in each piece.

    Raises:
        ValueError: a time before 1970 or after 9999, a serial of more than 20 octets,
            removeFromCRL in a full CRL.
    """
    return [
        b"".join(_encode_one(row, delta=delta) for row in rows[start : start + _RARE_CHUNK])
        for start in range(0, len(rows), _RARE_CHUNK)
    ]


def _by_shape(rows: bytes) -> tuple[bytes, bytes]:
    """Packed entries without a reason, and those with one."""
    letters = rows[PACKED - 1 :: PACKED]
    plain = letters.count(UNREASONED)
    if plain == 0:
        return b"", rows
    if plain == len(letters):
        return rows, b""
    each = [rows[start : start + PACKED] for start in range(0, len(rows), PACKED)]
    has_reason = [letter != UNREASONED[0] for letter in letters]
    reasoned = b"".join(compress(each, has_reason))
    return b"".join(compress(each, map(not_, has_reason))), reasoned


def _encode(rows: bytes, shape: bytes) -> bytearray:
    """Packed entries of one shape: its octets with serial and time put in."""
    width, count = len(shape), len(rows) // PACKED
    entries = bytearray(shape * count)
    for octet in range(SERIAL_OCTETS):
        entries[SERIAL_AT + octet :: width] = rows[octet::PACKED]
    seconds = bytearray(count * _SECONDS_DIGITS)
    for digit in range(_SECONDS_DIGITS):
        seconds[digit::_SECONDS_DIGITS] = rows[SERIAL_OCTETS + digit :: PACKED]
    times = _utc_times(bytes(seconds))
    for digit in range(UTC_OCTETS - 1):
        entries[TIME_AT + digit :: width] = times[digit :: UTC_OCTETS - 1]
    return entries


def _utc_times(seconds: bytes) -> bytes:
    """Twelve digits of UTCTime for each ten of seconds since 1970."""
    days, clock = _days(), _clock()
    count = len(seconds) // _SECONDS_DIGITS
    # Read as a list of JSON, which takes a fifth of what int() does for each.
    texts = bytearray(b"," * (count * (_SECONDS_DIGITS + 1)))
    for digit in range(_SECONDS_DIGITS):
        texts[digit + 1 :: _SECONDS_DIGITS + 1] = seconds[digit::_SECONDS_DIGITS]
    texts[0] = ord("[")
    moments = _READ_MOMENTS(bytes(texts + b"]"))
    parts = [b""] * (2 * count)
    parts[0::2] = [days[moment // _DAY] for moment in moments]
    parts[1::2] = [clock[moment % _DAY] for moment in moments]
    return b"".join(parts)


def _encode_one(row: RevokedRow, *, delta: bool) -> bytes:
    serial, at_us, reason = row
    if at_us < 0:
        raise ValueError(f"revoked before 1970: {at_us}")
    if reason == REMOVE_FROM_CRL and not delta:
        raise ValueError("only a delta CRL removes an entry")
    number = integer_octets(serial)
    if len(number.lstrip(b"\x00")) > SERIAL_OCTETS:
        raise ValueError(f"a serial of {len(number)} octets")
    tail = _reason_extension(CODES[reason])
    return encode(SEQUENCE, encode(INTEGER, number), encode_time(at_us // SECOND_US), tail)


def _reason_extension(code: int) -> bytes:
    # RFC 5280 §5.3.1: unspecified, 0, is said by saying nothing.
    if code == 0:
        return b""
    return encode(SEQUENCE, extension(REASON_CODE, bytes((_ENUMERATED, 1, code))))


@lru_cache(maxsize=1)
def _clock() -> list[bytes]:
    """HHMMSS of each second of a day."""
    return [
        b"%02d%02d%02d" % (second // 3_600, second // 60 % 60, second % 60)
        for second in range(_DAY)
    ]


@lru_cache(maxsize=1)
def _days() -> list[bytes]:
    """YYMMDD of each day from 1970 to 2049."""
    return [
        datetime.fromtimestamp(second, UTC).strftime("%y%m%d").encode("ascii")
        for second in range(0, COMMON_TIMES[1] // SECOND_US, _DAY)
    ]
