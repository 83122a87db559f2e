"""A child's end of its pipe to the supervisor: what it says of itself, one line each.

``ready`` once it serves, ``reload`` when the others should read their files again,
``away`` and a reason when it cannot start yet.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from certctl.domain.errors import StoreUnavailable
from certctl.domain.failure_words import words_of
from certctl.store import StoreAway

EXIT_FAILED: Final = 1
EXIT_REFUSED: Final = 2
EXIT_AWAY: Final = 75
"""What the child needs is not there now and may come: ``EX_TEMPFAIL`` of sysexits.h."""

READY: Final = b"ready"
RELOAD: Final = b"reload"
AWAY: Final = b"away "

# What a pipe takes in one piece, and more than a line of a log should have.
_MOST: Final = 2_000


def refuse_start(problem: object) -> int:
    """Say what is in the way, for the person who typed the command; gives the exit code."""
    sys.stderr.write(f"certctl-server cannot start: {problem}\n")
    return EXIT_REFUSED


class Status:
    """What a child tells its supervisor through ``fd``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ready(self) -> None:
        os.write(self._fd, READY + b"\n")

    def reload(self) -> None:
        """Ask that every other child reads its files again."""
        os.write(self._fd, RELOAD + b"\n")

    def refuse(self, problem: BaseException) -> int:
        """The start is refused for ``problem``; gives the exit code.

        A database that is away may be on its way, as after a power failure where it comes
        up beside us: the supervisor tells of it and tries again for a while. Anything else
        a person has to mend, and is told here.
        """
        if not isinstance(problem, StoreAway | StoreUnavailable):
            return refuse_start(problem)
        text = " ".join(str(words_of(problem)).split())
        os.write(self._fd, AWAY + text.encode()[:_MOST] + b"\n")
        return EXIT_AWAY
