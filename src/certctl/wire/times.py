"""Time as X.509, CRLs and OCSP write it: always UTC, always with seconds, never a fraction.

RFC 5280 §4.1.2.5 and §5.1.2 (UTCTime through 2049, GeneralizedTime from 2050 on),
RFC 6960 §4.2.2.1 (GeneralizedTime in OCSP, whatever the year).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from certctl.wire.der import DerError, encode

UTC_TIME = 0x17
GENERALIZED_TIME = 0x18


@lru_cache(maxsize=64)
def encode_time(seconds: int) -> bytes:
    """RFC 5280 §4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on.

    Cached because all certificates of one second share their times.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    if 1950 <= moment.year < 2050:
        return encode(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return _generalized(moment)


@lru_cache(maxsize=64)
def encode_generalized_time(seconds: int) -> bytes:
    """GeneralizedTime of any year, tag included."""
    return _generalized(datetime.fromtimestamp(seconds, UTC))


def decode_time(tag: int, content: bytes) -> int:
    """Seconds since the epoch of a Time as RFC 5280 §4.1.2.5 wants it written.

    Raises:
        DerError: another tag or form, no such moment, or the wrong type for the year.
    """
    if tag == UTC_TIME and len(content) == 13:
        century = b"20" if content[:2] < b"50" else b"19"
        return _read_moment(century + content)
    if tag == GENERALIZED_TIME and len(content) == 15 and not b"1950" <= content[:4] < b"2050":
        return _read_moment(content)
    raise DerError("not a time as RFC 5280 writes it")


def _generalized(moment: datetime) -> bytes:
    # strftime would not pad a year below 1000 on every platform.
    text = f"{moment.year:04}{moment:%m%d%H%M%S}Z"
    return encode(GENERALIZED_TIME, text.encode("ascii"))


def _read_moment(text: bytes) -> int:
    digits = text[:14]
    if not digits.isdigit() or text[14:] != b"Z":
        raise DerError("not a time in UTC with seconds")
    try:
        moment = datetime.strptime(digits.decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as err:
        raise DerError(f"no such moment: {digits.decode()}") from err
    return int(moment.timestamp())
