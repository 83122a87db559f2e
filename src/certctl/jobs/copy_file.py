"""A copy of the audit trail in a file of JSON lines.

Each batch is on disk (fsync) before the cursor passes it. A batch that cannot be written
whole is taken back; a line that a power cut left half is taken back at the next opening,
and written again. A file that was moved or removed (logrotate) is made anew, by itself
and on SIGHUP.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from certctl.jobs.audit_copy import CopiedLine

# Longer than any line: an event's texts come from requests of 64 KiB at most.
_TAIL = 4 << 20


class FileSink:
    """Implements ``audit_copy.Sink``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def write(self, lines: Sequence[CopiedLine]) -> int:
        """All of them, durably; gives how many could not be copied for good: none."""
        self._open()
        octets = b"".join(line.text for line in lines)
        before = os.fstat(self._file).st_size
        try:
            done = 0
            while done < len(octets):
                done += os.write(self._file, octets[done:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            self.reopen()
            raise
        return 0

    def reopen(self) -> None:
        """Close it; the next write opens what is there by then."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        if self._file >= 0 and self._is_same():
            return
        self.reopen()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, 0o600)
        _drop_half_line(self._file)

    def _is_same(self) -> bool:
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._file)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _drop_half_line(file: int) -> None:
    size = os.fstat(file).st_size
    begin = max(0, size - _TAIL)
    tail = os.pread(file, size - begin, begin)
    if not tail or tail.endswith(b"\n"):
        return
    try:
        os.ftruncate(file, begin + tail.rfind(b"\n") + 1)
    except PermissionError:
        # An append-only file (chattr +a): the half line stays, ended.
        os.write(file, b"\n")
