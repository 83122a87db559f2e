"""What plain values look like: booleans, numbers, durations, sizes, choices, lists.

Everything that does not parse is refused; nothing is guessed. See ``kinds_net`` for
addresses, URLs and keys.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from certctl.settings.findings import shown
from certctl.settings.secret import Secret, SecretSource
from certctl.settings.variable import Kind

T = TypeVar("T")

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})
OFF = frozenset({"off", "none", "0"})

UNITS = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "kib": 1 << 10,
    "m": 1 << 20,
    "mib": 1 << 20,
    "g": 1 << 30,
    "gib": 1 << 30,
}

# Twelve digits hold every number that means anything here; more would only be a way to
# make the reader work.
NUMBER = re.compile(r"[+-]?[0-9]{1,12}")
DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
SIZE = re.compile(r"([0-9]{1,12}) ?([A-Za-z]*)")
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


def printable(text: str) -> str:
    """The text itself; control characters have no place in any setting."""
    if not text.isprintable():
        raise ValueError("control characters are in it")
    return text


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise ValueError("not a boolean")


def _path(text: str) -> Path:
    return Path(printable(text))


def _label(text: str) -> str:
    if LABEL.fullmatch(text) is None:
        raise ValueError("not a label")
    return text


def _secret(text: str) -> Secret:
    return Secret(printable(text))


def _deferred_secret(text: str) -> SecretSource:
    return SecretSource(given=_secret(text))


BOOLEAN = Kind(allowed="true 1 yes on, or false 0 no off", read=_boolean)
TEXT = Kind(allowed="text", read=printable)
PATH = Kind(allowed="a path", read=_path)
LABELS = Kind(allowed="1 to 64 of a-z A-Z 0-9 . _ -, no sign at either end", read=_label)
SECRET = Kind(allowed="text without control characters", read=_secret)
DEFERRED_SECRET = Kind(allowed="text without control characters", read=_deferred_secret)


def integer(low: int, high: int) -> Kind[int]:
    """A whole number between ``low`` and ``high``, both included."""

    def read(text: str) -> int:
        if NUMBER.fullmatch(text) is None:
            raise ValueError("not a whole number")
        number = int(text)
        if number < 0 <= low:
            raise ValueError("a negative number")
        return _in_range(number, low, high)

    return Kind(allowed=f"a whole number, {low} to {high}", read=read)


def duration(low: int, high: int) -> Kind[int]:
    """A duration in seconds, written ``30s``, ``5m``, ``24h``, ``1h30m``, ``7d``."""

    def read(text: str) -> int:
        match = DURATION.fullmatch("0s" if text == "0" else text)
        if match is None or match.lastindex is None:
            if text.startswith("-"):
                raise ValueError("a negative duration")
            raise ValueError("not a duration")
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return _in_range(((days * 24 + hours) * 60 + minutes) * 60 + seconds, low, high)

    bounds = f"{duration_text(low)} to {duration_text(high)}"
    return Kind(allowed=f"a duration such as 30s, 5m, 24h, 1h30m or 7d, {bounds}", read=read)


def duration_text(seconds: int) -> str:
    """Seconds in the form the settings take, in the largest unit that fits."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def size(low: int, high: int) -> Kind[int]:
    """A number of octets, written plain or with KiB, MiB or GiB (also K, M, G)."""

    def read(text: str) -> int:
        match = SIZE.fullmatch(text)
        if match is None or match[2].lower() not in UNITS:
            raise ValueError("not a size")
        return _in_range(int(match[1]) * UNITS[match[2].lower()], low, high)

    bounds = f"{low} to {high} octets"
    return Kind(allowed=f"octets, such as 65536, 64KiB or 1MiB, {bounds}", read=read)


def choice(*values: T, also: dict[str, T] | None = None) -> Kind[T]:
    """One of a closed set, in any case; ``also`` maps further spellings."""
    spellings = {str(value).lower(): value for value in values} | (also or {})

    def read(text: str) -> T:
        try:
            return spellings[text.lower()]
        except KeyError:
            raise ValueError(f"{shown(text)} is not one of them") from None

    return Kind(allowed=", ".join(map(str, values)), read=read)


def items(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list split on commas; items are trimmed, empty ones dropped, one must remain."""

    def read(text: str) -> tuple[T, ...]:
        found = tuple(kind.read(item) for item in map(str.strip, text.split(",")) if item)
        if not found:
            raise ValueError("a list without items")
        return found

    return Kind(allowed=f"a list, split on commas: {kind.allowed}", read=read)


def or_off(kind: Kind[T]) -> Kind[T | None]:
    """``off`` (or ``none``, ``0``), or what ``kind`` takes."""

    def read(text: str) -> T | None:
        return None if text.lower() in OFF else kind.read(text)

    return Kind(allowed=f"off, or {kind.allowed}", read=read)


def _in_range(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise ValueError("out of range")
    return number
