"""What was read of files, kept for as long as they are the same files: a look costs a stat.

A file is the same while device, inode, size, the time of its contents and that of its last
change of any kind are; the last one tells of new permissions, and of contents whose time was
set back. Clocks of file systems are coarse, so what was written just now may be written again
within the same tick: it is read anew each time until it has lain still for a while. What
cannot be read, or is refused, is not kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from certctl.domain.clock import SECOND_US

T = TypeVar("T")

STILL_US: Final = 3 * SECOND_US
"""Longer than a tick of any file system's clock (2 seconds of FAT)."""

_Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    stamp: _Stamp
    size: int
    reading: T


class Readings(Generic[T]):
    """Readings of one kind, for a fixed set of paths; from any thread."""

    def __init__(self, most_octets: int | None = None) -> None:
        """``most_octets``: of all files whose readings are kept; None where a reading is small,
        so that the number of paths is bound enough.
        """
        self._most_octets = most_octets
        self._lock = threading.Lock()
        self._kept: dict[Path, _Kept[T]] = {}
        self._octets = 0

    def of(self, path: Path, read: Callable[[], T], *, now_us: int) -> T:
        """What ``read`` makes of the file, or made of it before; what it raises goes on."""
        before = _look(path)
        with self._lock:
            kept = self._kept.get(path)
            if kept is not None:
                if before is not None and _stamp(before) == kept.stamp:
                    return kept.reading
                del self._kept[path]
                self._octets -= kept.size
        reading = read()
        after = _look(path)
        if before is None or after is None or _stamp(before) != _stamp(after):
            return reading  # It may be of either, or of a file in between.
        if not _lies_still(after, now_us):
            return reading
        with self._lock:
            # No other gives way: with too many large files some are read anew, and not all.
            most, octets = self._most_octets, self._octets + after.st_size
            if path not in self._kept and (most is None or octets <= most):
                self._kept[path] = _Kept(_stamp(after), after.st_size, reading)
                self._octets = octets
        return reading


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _stamp(found: os.stat_result) -> _Stamp:
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _lies_still(found: os.stat_result, now_us: int) -> bool:
    """Whether its last change is long past; one in the future, by a clock set back, is not."""
    return found.st_ctime_ns // 1_000 < now_us - STILL_US
