"""Faults of the machine beneath a server: a disk that cannot sync, a clock that is set.

Small libraries in C, compiled when a test asks for them and put before the C library of
the server's processes only (LD_PRELOAD).
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "preload"


class CompilerMissing(AssertionError):
    """There is no C compiler here."""


def compiled(name: str, directory: Path) -> Path:
    """The library of ``preload/NAME.c``, made in ``directory``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CompilerMissing("a C compiler is missing: apt-get install gcc libc6-dev")
    library = directory / f"{name}.so"
    flags = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
    source = SOURCES / f"{name}.c"
    subprocess.run([compiler, *flags, "-o", library, source, "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class FailingFsync:
    """``on``: no file below ``below`` reaches the disk, and the server is told so (EIO)."""

    directory: Path
    below: Path

    @property
    def environment(self) -> dict[str, str]:
        """For the server; compiles the library."""
        return {
            "LD_PRELOAD": str(compiled("failing_fsync", self.directory)),
            "FAILING_FSYNC_BELOW": str(self.below),
            "FAILING_FSYNC_SWITCH": str(self._switch),
        }

    def on(self) -> None:
        self._switch.touch()

    def off(self) -> None:
        self._switch.unlink()

    @property
    def _switch(self) -> Path:
        return self.directory / "fsync-fails"


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """The server's clock, off the system's by as many seconds as it is told."""

    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """For the server and its host commands; compiles the library."""
        self.set(0)
        return {
            "LD_PRELOAD": str(compiled("shifted_clock", self.directory)),
            "SHIFTED_CLOCK": str(self._file),
        }

    def set(self, seconds: int) -> None:
        """Takes effect at once, in all processes."""
        # In place: the processes have this very file in their memory.
        with self._file.open("r+b" if self._file.exists() else "w+b") as file:
            file.write(struct.pack("=q", seconds))

    @property
    def _file(self) -> Path:
        return self.directory / "clock-shift"
