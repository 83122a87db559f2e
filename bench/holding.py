"""How long the authority lets others wait while it is at work on something large.

Asked through its own socket, one command after the other, so that nothing of TLS or of a
worker is in the figure.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Self

from certctl.authority.caller import AuthorityCaller
from certctl.authority.commands import LeaseAnswer, TakeLease
from certctl.wiring import sockets


class Holding:
    """A context: asks from entering it to leaving it; then ``seconds`` are there."""

    def __init__(self, run_directory: Path) -> None:
        self.seconds: list[float] = []
        self._caller = AuthorityCaller(partial(sockets.connect, run_directory))
        self._thread = threading.Thread(target=self._ask)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._caller.close()

    @property
    def longest(self) -> float:
        return max(self.seconds)

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]

    def _ask(self) -> None:
        # Its own lease, held on from question to question: one row is written by each.
        command = TakeLease(job="bench", holder="bench/1", every_us=0, lease_us=1)
        while not self._over.is_set():
            began = time.perf_counter()
            self._caller.execute(command, LeaseAnswer)
            self.seconds.append(time.perf_counter() - began)
