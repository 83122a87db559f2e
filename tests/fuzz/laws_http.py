"""What must hold for any octets on a connection that ``certctl.tls.http`` reads.

No exception; everything the server writes is whole answers; and where the octets were cut
on their way changes nothing: the same requests reach the application, with the same bodies.
A reader that sees other requests in other pieces is one that can be smuggled past.
"""

from __future__ import annotations

import asyncio
import atexit
from dataclasses import dataclass, field
from functools import cache

from certctl.tls.cycle import Served
from certctl.tls.deadline import Alarms
from certctl.tls.http import HttpProtocol
from certctl.tls.limits import ConnectionLimits

MAX_BODY = 512
ANSWER = b"done\n"
TURNS = 2_000
"""Turns of the loop until everything must have been answered; far above what it takes."""

MAX_COMPARED = 4_000
"""Octets. Longer inputs may meet limits that count what arrives together."""

MAX_COMPARED_REQUESTS = 32
"""Below the bound of the pipeline, which only requests that arrive together can meet."""

Seen = tuple[str, bytes, bytes, tuple[tuple[bytes, bytes], ...], bytes]


@dataclass(slots=True)
class _Pipe(asyncio.Transport):
    """The transport's side of the contract: it keeps what is written, and honours pauses."""

    written: bytearray = field(default_factory=bytearray)
    paused: bool = False
    closed: bool = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"sockname": ("127.0.0.1", 443), "peername": ("127.0.0.1", 50_000)}.get(
            name, default
        )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def http(data: bytes) -> None:
    whole = _served([data])
    for size in (1, 7):
        if len(data) > MAX_COMPARED or data.count(b"HTTP/") > MAX_COMPARED_REQUESTS:
            return
        cut = _served([data[at : at + size] for at in range(0, len(data), size)])
        assert cut == whole, f"in pieces of {size}: {cut} and not {whole}"


def _served(pieces: list[bytes]) -> tuple[list[Seen], list[bytes], bool]:
    """Requests the application saw, status lines of the answers, whether one was refused.

    Of two faults in one header, the pieces may decide which is named: the status line of a
    refusal is left out.
    """
    seen: list[Seen] = []
    refused: list[str] = []
    answers = loop().run_until_complete(_connection(pieces, seen, refused))
    assert len(refused) <= 1, f"refused more than once: {refused}"
    if refused and answers and not answers[-1].startswith(b"HTTP/1.1 200"):
        answers[-1] = b"refused"
    return seen, answers, bool(refused)


async def _connection(pieces: list[bytes], seen: list[Seen], refused: list[str]) -> list[bytes]:
    faults: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    served = Served()
    protocol = HttpProtocol(
        _application(seen),
        served,
        alarms=Alarms(loop),
        limits=ConnectionLimits(max_body=MAX_BODY),
        random=bytes,
        on_rejected=lambda _status, reason, _client, _number: refused.append(reason),
    )
    pipe = _Pipe()
    protocol.connection_made(pipe)
    for piece in pieces:
        await _readable(pipe)
        if pipe.closed:
            break
        protocol.data_received(piece)
        await asyncio.sleep(0)
    await _readable(pipe)
    if not pipe.closed and not protocol.eof_received():
        pipe.close()
    await _readable(pipe, closed=True)
    protocol.connection_lost(None)
    for cycle in tuple(served.in_flight):
        await cycle.task
    assert not faults, faults
    return _answers(bytes(pipe.written))


async def _readable(pipe: _Pipe, *, closed: bool = False) -> None:
    """As a transport does: nothing is delivered, not even the end, while reading is paused."""
    for _ in range(TURNS):
        if pipe.closed or not (closed or pipe.paused):
            return
        await asyncio.sleep(0)
    raise AssertionError("the connection neither reads on nor closes")


def _answers(written: bytes) -> list[bytes]:
    """Status lines; every answer must be whole."""
    lines: list[bytes] = []
    while written:
        head, end, rest = written.partition(b"\r\n\r\n")
        assert end, f"an answer without end: {written[:100]!r}"
        status, *fields = head.split(b"\r\n")
        assert status.startswith(b"HTTP/1.1 "), status
        if status.startswith(b"HTTP/1.1 100 "):
            written = rest
            continue
        lengths = [line for line in fields if line.lower().startswith(b"content-length: ")]
        assert len(lengths) == 1, fields
        length = 0 if b"X-Head: 1" in fields else int(lengths[0][16:])
        assert len(rest) >= length
        lines.append(status)
        written = rest[length:]
    return lines


@cache
def loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def _application(seen: list[Seen]):
    async def application(scope, receive, send):
        body = b""
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return
            body += event["body"]
            if not event["more_body"]:
                break
        fields = tuple((name, value) for name, value in scope["headers"])
        seen.append((scope["method"], scope["raw_path"], scope["query_string"], fields, body))
        headers = [(b"Content-Length", b"%d" % len(ANSWER))]
        if scope["method"] == "HEAD":
            headers.append((b"X-Head", b"1"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": ANSWER})

    return application
