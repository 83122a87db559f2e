"""Slow work beside the authority's loop: begun with one command, fetched with its repeat.

Making an RSA key takes a second, and trying a CA outside several; no order waits for
them. Whoever asks is told ``InProgress`` and asks again with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from certctl.domain.errors import InProgress, WaitingRoomFull

THREADS = 2

MOST = 16
"""Pieces of work that are under way or not fetched; of more, those never fetched go first."""

RETRY_SECONDS = 1


class Background:
    """Use from the authority's loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="background")
        self._begun: dict[Hashable, Future[Any]] = {}

    def result(self, key: Hashable, work: Callable[[], Any]) -> Any:
        """What ``work`` gave, once; it is begun with the first call of this key.

        Raises:
            InProgress: it is under way.
            WaitingRoomFull: too much is.
        """
        begun = self._begun.get(key)
        if begun is None:
            self._make_room()
            begun = self._begun[key] = self._pool.submit(work)
        if not begun.done():
            raise InProgress(retry_after=RETRY_SECONDS)
        del self._begun[key]
        return begun.result()

    def _make_room(self) -> None:
        for key, begun in list(self._begun.items()):
            if len(self._begun) < MOST:
                return
            if begun.done():
                del self._begun[key]
        if len(self._begun) >= MOST:
            raise WaitingRoomFull("work beside the orders", retry_after=RETRY_SECONDS)
