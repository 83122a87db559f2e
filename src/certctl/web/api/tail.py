"""New audit events as they come: one reader per worker, many listeners.

The reader asks the store twice a second, and only while somebody listens. A listener that
does not keep up loses its queue and reads from the store again, so none holds up another,
memory is bounded, and nothing is left out: a place in the trail is a number per chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Mapping, Sequence

from certctl.domain.audit import RecordedEvent
from certctl.domain.errors import Unavailable
from certctl.web.api.services import Read

EVERY_S = 0.5
MOST_QUEUED = 1_000
PAGE = 500
MOST_LISTENERS = 200

Cursor = dict[str, int]
"""The last event seen of each chain."""

_PLACE = re.compile(r"[A-Za-z0-9._-]{1,128}:[0-9]{1,18}(;[A-Za-z0-9._-]{1,128}:[0-9]{1,18}){0,63}")


def cursor_text(cursor: Cursor) -> str:
    """A place in the trail as ``Last-Event-ID`` carries it."""
    return ";".join(f"{node}:{seq}" for node, seq in sorted(cursor.items()))


def cursor_of(text: str) -> Cursor | None:
    """The place that ``cursor_text`` wrote; None: it is none."""
    if _PLACE.fullmatch(text) is None:
        return None
    pairs = (each.rsplit(":", 1) for each in text.split(";"))
    return {node: int(seq) for node, seq in pairs}


class Listener:
    """What one stream has still to send."""

    def __init__(self) -> None:
        self.queue: deque[RecordedEvent] = deque()
        self.overflowed = False
        self.news = asyncio.Event()

    def put(self, events: Sequence[RecordedEvent]) -> None:
        if len(self.queue) + len(events) > MOST_QUEUED:
            self.queue.clear()
            self.overflowed = True
        else:
            self.queue.extend(events)
        self.news.set()

    async def wait(self, seconds: float) -> None:
        """Until something is there, or so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.news.wait(), seconds)
        self.news.clear()


class Tail:
    """Use from one event loop."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self.stopping = False

    @property
    def full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    def listen(self) -> Listener:
        listener = Listener()
        self._listeners.add(listener)
        # Before the reader has its place nothing is handed out: whoever comes first
        # catches up from the store.
        listener.overflowed = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def stop(self) -> None:
        """End every stream; at the end of the worker."""
        self.stopping = True
        for listener in self._listeners:
            listener.news.set()

    async def heads(self) -> Cursor:
        """Where the trail stands now."""
        heads = await self._read(lambda records: records.chain_heads())
        return {head.node: head.seq for head in heads}

    async def since(self, cursor: Mapping[str, int]) -> Sequence[RecordedEvent]:
        """The next events after a place, chain by chain, a bounded number."""
        return await self._read(lambda records: records.events_since(cursor, PAGE))

    async def _run(self) -> None:
        cursor: Cursor | None = None
        while self._listeners and not self.stopping:
            try:
                if cursor is None:
                    cursor = await self.heads()
                events = await self.since(cursor)
            except Unavailable:
                events = ()
            if events and cursor is not None:
                for each in events:
                    cursor[each.node] = each.seq
                for listener in tuple(self._listeners):
                    listener.put(events)
            if len(events) < PAGE:
                await asyncio.sleep(EVERY_S)
        self._task = None
