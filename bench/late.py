"""A TCP proxy that hands every answer on some milliseconds late: a database far away."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from bench.errors import BenchError
from bench.server import free_port

START_SECONDS = 10


class LateProxy:
    """Listens on a free loopback port while it is entered."""

    def __init__(self, port: int, *, seconds: float) -> None:
        self.port = free_port()
        self._target = port
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listens.wait(START_SECONDS):
            raise BenchError("the proxy did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)

    def _run(self) -> None:
        listening = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self._loop.run_until_complete(listening)
        self._listens.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(
            self._pass(reader, back, late=0.0), self._pass(there, writer, late=self._seconds)
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: float
    ) -> None:
        """Later pieces do not wait for earlier ones: each is on its way for so long."""
        try:
            while data := await reader.read(1 << 16):
                self._loop.call_later(late, writer.write, data)
        except ConnectionError:
            pass
        self._loop.call_later(late, writer.close)
