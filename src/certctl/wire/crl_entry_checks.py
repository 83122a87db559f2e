"""Whether octets are entries of a CRL and nothing else (RFC 5280 §5.1.2.6, §5.3.1).

Entries of one form are looked at column by column, others of the usual forms by a
regular expression, and what is left one by one. All three accept the same language.
"""

from __future__ import annotations

import re
from struct import calcsize
from sys import byteorder
from typing import Final, Literal

from certctl.domain.crl import CODES, REMOVE_FROM_CRL, SERIAL_OCTETS
from certctl.wire.crl_entries import (
    PLAIN_ENTRY,
    REASON_HEAD,
    REASONED_ENTRY,
    SERIAL_AT,
    TIME_AT,
    UTC_OCTETS,
)
from certctl.wire.der import INTEGER, SEQUENCE, DerError, expect, read, read_unsigned
from certctl.wire.times import UTC_TIME, decode_time

_REMOVE: Final = CODES[REMOVE_FROM_CRL]
_REASONS: Final = bytes(sorted(code for code in CODES.values() if code))
_MAX_SERIAL: Final = (1 << 160) - 1

_DIGITS: Final = b"0123456789"
_MONTH_DAYS: Final = frozenset(
    int.from_bytes(b"%02d%02d" % (month, day), byteorder)
    for month, days in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1)
    for day in range(1, days + 1)
)
"""Of every year: entries of a 29 February are left to the others."""

_LOOKED_AT_SINGLY: Final = 256

_HOURS: Final = frozenset(int.from_bytes(b"%02d" % hour, byteorder) for hour in range(24))


def check_entries(data: bytes, start: int, end: int) -> bool:
    """Raise unless ``data[start:end]`` is entries; gives whether one is removeFromCRL.

    Raises:
        DerError: it is not.
    """
    for width in (PLAIN_ENTRY, REASONED_ENTRY):
        if data[start + 1 : start + 2] == bytes((width - 2,)):
            if (end - start) % width == 0 and _are_uniform(data[start:end], width):
                return width == REASONED_ENTRY and _REMOVE in data[start + width - 1 : end : width]
            break
    removes = False
    while start < end:
        match = _COMMON.match(data, start, end)
        # The pattern also matches nothing at all, so there is always a match.
        start = match.end() if match else start
        if start < end:
            start, removed = _check_rare(data, start, end)
            removes = removes or removed
    return removes


def _are_uniform(entries: bytes, width: int) -> bool:
    """Whether each ``width`` octets are an entry of a common form; False may also be: rare."""
    count = len(entries) // width
    constant = {
        0: SEQUENCE,
        1: width - 2,
        2: INTEGER,
        3: SERIAL_OCTETS,
        TIME_AT - 2: UTC_TIME,
        TIME_AT - 1: UTC_OCTETS,
        PLAIN_ENTRY - 1: ord("Z"),
    }
    allowed = {SERIAL_AT: bytes(range(0x01, 0x80))}
    # Years, and tens and ones of minutes and seconds.
    allowed |= {TIME_AT + at: _DIGITS for at in (0, 1, 7, 9, 11)}
    allowed |= {TIME_AT + at: b"012345" for at in (8, 10)}
    if width == REASONED_ENTRY:
        constant |= dict(enumerate(REASON_HEAD, PLAIN_ENTRY))
        allowed[width - 1] = _REASONS
    return (
        all(entries[at::width] == bytes((octet,)) * count for at, octet in constant.items())
        and not any(entries[at::width].translate(None, octets) for at, octets in allowed.items())
        and _values(entries, width, TIME_AT + 2, "I") <= _MONTH_DAYS
        and _values(entries, width, TIME_AT + 6, "H") <= _HOURS
    )


def _values(entries: bytes, width: int, at: int, form: Literal["H", "I"]) -> set[int]:
    """The different values of a field, as what the machine makes of its octets."""
    octets = calcsize(form)
    packed = bytearray(len(entries) // width * octets)
    for octet in range(octets):
        packed[octet::octets] = entries[at + octet :: width]
    return _different(bytes(packed), octets, form)


def _different(packed: bytes, octets: int, form: Literal["H", "I"]) -> set[int]:
    count = len(packed) // octets
    if count <= _LOOKED_AT_SINGLY:
        return set(memoryview(packed).cast(form))
    # Entries mostly come in order of time, thousands of one day after each other.
    if packed == packed[:octets] * count:
        return set(memoryview(packed[:octets]).cast(form))
    half = count // 2 * octets
    return _different(packed[:half], octets, form) | _different(packed[half:], octets, form)


def _common_entries() -> re.Pattern[bytes]:
    """Nearly all entries: a serial of twenty octets, a UTCTime, perhaps a reason.

    A bounded number, so that a million of them leave little behind to go back to. Not
    possessive: Python before 3.11.5, Debian 12's among them, matches too much then.
    """
    serial = rb"\x02\x14[\x01-\x7f].{19}"
    long = rb"(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])"
    short = rb"(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)"
    february = rb"02(?:0[1-9]|1[0-9]|2[0-8])"
    # Of the years 1950 to 2049, each that four divides is a leap year.
    leap = rb"(?:[02468][048]|[13579][26])0229"
    days = b"(?:" + leap + b"|[0-9]{2}(?:" + b"|".join((long, short, february)) + b"))"
    date = rb"\x17\x0d" + days
    clock = rb"(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}Z"
    # A removal is left to _check_rare: the octets of one may stand in a serial, too.
    reasons = b"".join(re.escape(bytes((code,))) for code in _REASONS if code != _REMOVE)
    reason = re.escape(REASON_HEAD) + b"[" + reasons + b"]"
    moment = serial + date + clock
    entry = rb"\x30(?:\x25" + moment + rb"|\x33" + moment + reason + rb")"
    return re.compile(rb"(?:" + entry + rb"){0,1000}", re.DOTALL)


_COMMON = _common_entries()


def _check_rare(data: bytes, offset: int, end: int) -> tuple[int, bool]:
    """(end of one entry, whether it is removeFromCRL)."""
    start, stop = expect(data, offset, end, SEQUENCE)
    serial, serial_end = expect(data, start, stop, INTEGER)
    if read_unsigned(data[serial:serial_end]) > _MAX_SERIAL:
        raise DerError("a serial of more than twenty octets")
    tag, time, time_end = read(data, serial_end, stop)
    decode_time(tag, data[time:time_end])
    if time_end == stop:
        return stop, False
    tail = data[time_end:stop]
    if not (
        tail.startswith(REASON_HEAD) and len(tail) == len(REASON_HEAD) + 1 and tail[-1] in _REASONS
    ):
        raise DerError("an entry extension that is no reason")
    return stop, tail[-1] == _REMOVE
