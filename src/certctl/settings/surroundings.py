"""What the settings take from the machine besides the environment, as one value.

Kept apart so that tests and ``check`` say what time it is and how many cores there are;
only ``Surroundings.here`` asks the system.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Now (microseconds since the epoch), usable cores, terminal, working directory."""

    now_us: int
    cores: int
    on_terminal: bool
    directory: Path

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process, at this moment."""
        return cls(
            now_us=time.time_ns() // 1_000,
            cores=_cores(),
            on_terminal=sys.stderr is not None and sys.stderr.isatty(),
            directory=Path.cwd(),
        )


def _cores() -> int:
    # A container or taskset may leave us fewer cores than the machine has.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
