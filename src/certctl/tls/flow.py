"""The brakes of one connection: reading pauses while much is unread, writing while much is
unsent.
"""

from __future__ import annotations

import asyncio


class Flow:
    """See the module. The transport pauses and resumes writing, the protocol reading."""

    __slots__ = ("_transport", "_writable", "read_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        # Made with a pause and gone with its end: most connections never have one.
        self._writable: asyncio.Event | None = None

    @property
    def write_paused(self) -> bool:
        return self._writable is not None

    async def drain(self) -> None:
        """Wait until the transport takes more."""
        if self._writable is not None:
            await self._writable.wait()

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None
