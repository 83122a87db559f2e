"""What people type to find certificates, as a filter of the inventory."""

from __future__ import annotations

from datetime import UTC, datetime

from certctl.cli.ending import EXIT_USAGE, stop
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.inventory import CertificateFilter, NameMatch

_HEX = frozenset("0123456789abcdef")
_DIGEST_DIGITS = 64


class Unreadable(ValueError):
    """What was typed is not what it should be; the text says so, and how to give it."""


def read_serial(text: str) -> str:
    """Hex as records have it; people copy it with colons, spaces, 0x and capitals.

    Raises:
        Unreadable.
    """
    digits = _digits(text)
    if digits is None:
        raise Unreadable(
            f"{text!r} is no serial number; give hexadecimal digits, as openssl x509 -serial"
            " prints them."
        )
    return digits


def read_moment(text: str, option: str) -> datetime:
    """A date or a time (ISO 8601), UTC unless it says otherwise.

    Raises:
        Unreadable.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as err:
        raise Unreadable(
            f"{option}: {text!r} is no time; give 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from err
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def serial_number(text: str) -> str:
    """``read_serial``, or the end."""
    try:
        return read_serial(text)
    except Unreadable as err:
        stop(str(err), EXIT_USAGE)


def digest(text: str | None, option: str) -> bytes | None:
    """A SHA-256 in hexadecimal, colons allowed."""
    if text is None:
        return None
    digits = _digits(text)
    if digits is None or len(digits) != _DIGEST_DIGITS:
        stop(f"{option} needs a SHA-256: {_DIGEST_DIGITS} hexadecimal digits.", EXIT_USAGE)
    return bytes.fromhex(digits)


def moment(text: str | None, option: str) -> int | None:
    """``read_moment`` as microseconds, or the end."""
    if text is None:
        return None
    try:
        read = read_moment(text, option)
    except Unreadable as err:
        stop(str(err), EXIT_USAGE)
    # Through whole seconds: a float cannot hold microseconds since 1970 for ever.
    return int(read.timestamp()) * SECOND_US


def within_days(days: int | None, now_us: int) -> tuple[int | None, int | None]:
    """From now on, so many days."""
    return (None, None) if days is None else (now_us, now_us + days * DAY_US)


def guesses(text: str) -> list[CertificateFilter]:
    """All that one word could mean: a serial number, a digest, a name."""
    found = []
    digits = _digits(text)
    if digits is not None and len(digits) == _DIGEST_DIGITS:
        found.append(CertificateFilter(fingerprint=bytes.fromhex(digits)))
        found.append(CertificateFilter(spki_sha256=bytes.fromhex(digits)))
    elif digits is not None:
        found.append(CertificateFilter(serial=digits))
    found.append(CertificateFilter(cn=NameMatch.parse(text)))
    found.append(CertificateFilter(san=NameMatch.parse_san(text)))
    found.append(CertificateFilter(principal=NameMatch.parse(text)))
    return found


def _digits(text: str) -> str | None:
    digits = text.replace(":", "").replace(" ", "").lower().removeprefix("0x")
    return digits if digits and not set(digits) - _HEX else None
