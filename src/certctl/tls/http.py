"""HTTP/1.1 between a byte stream and an ASGI application, with every limit in place.

httptools parses; how its pieces become a request is ours: strict framing (RFC 9112 §6),
bounded head, body, framing and pipeline, a time limit for each phase, and answers of its
own (400, 408, 413, 414, 431) that wait for their turn in the pipeline. It runs on a TLS
connection or on any asyncio stream. It must never know a path or a credential.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import httptools

from certctl.domain.asgi import VERSION, Application
from certctl.domain.connection import TLSInfo
from certctl.domain.ids import RandomBytes, request_id
from certctl.tls.cycle import Cycle, Served
from certctl.tls.deadline import Alarms, Deadline
from certctl.tls.flow import Flow
from certctl.tls.limits import (
    BODY_HIGH_WATER,
    MAX_CHUNK_FRAMING,
    MAX_HEAD,
    MAX_HEADER_LINES,
    MAX_PIPELINED,
    MAX_URL,
    STOP_LINGER_S,
    ConnectionLimits,
)
from certctl.tls.refusals import REFUSALS, Refusal, refusal_answer
from certctl.tls.transport import write_last

OnRejected = Callable[[int, str, str, str], None]
"""Hears of answers no application gave: (status, reason, client address, request id)."""

_SLASH = 0x2F


class Stage(StrEnum):
    """Where in a request the reader is; answers go on independently of it."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class _Stop(Exception):
    """Ends the parser's run from inside one of its callbacks."""


class HttpProtocol(asyncio.Protocol):
    """One connection's requests, in order, each answered by the application."""

    def __init__(
        self,
        app: Application,
        served: Served,
        *,
        alarms: Alarms,
        limits: ConnectionLimits,
        random: RandomBytes,
        on_rejected: OnRejected | None = None,
    ) -> None:
        self.app = app
        self.served = served
        self.loop = alarms.loop
        self.limits = limits
        self.on_rejected = on_rejected
        self.random = random
        self.parser = httptools.HttpRequestParser(self)
        # What follows the last request of a connection is dropped here, not a fault that
        # would take that request's answer with it.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.transport: asyncio.Transport
        self.flow: Flow
        self.server: tuple[str, int]
        self.client: tuple[str, int]
        self.scheme = "http"
        # The newest; there from the first complete head on.
        self.cycle: Cycle = None  # type: ignore[assignment]
        self.pipeline: deque[Cycle] = deque()
        self.deadline = Deadline(alarms, self._expired)
        self.tls: TLSInfo | None = None
        self.stage = Stage.IDLE
        self.timed: Stage | None = None
        self.refusal: Refusal | None = None
        self.deferred: tuple[Refusal, str] | None = None
        self.running: Cycle | None = None
        self.draining = False
        self.last = False
        # Of the message being read:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.expect_100_continue = False
        self.keep = True
        self.head_wire = 0
        self.head_size = 0
        self.body_size = 0
        self.body_length = 0
        self.chunked = False
        self.framing = 0
        self.framing_counted = False
        self.hosts = 0

    # Calls of the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.flow = Flow(transport)
        self.server = transport.get_extra_info("sockname")[:2]
        self.client = transport.get_extra_info("peername")[:2]
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = "https"
        self.timed = Stage.IDLE
        self.deadline.start(STOP_LINGER_S if self.draining else self.limits.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.deadline.cancel()
        # Both may exist: the one being answered and the one being read.
        for cycle in (self.running, self.cycle):
            if cycle is not None:
                cycle.disconnect()
        self.pipeline.clear()
        self.flow.resume_writing()
        del self.parser  # breaks a reference cycle

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    def eof_received(self) -> bool:
        """The peer sends no more. True keeps our side open for answers still due."""
        if self.stage is not Stage.IDLE:
            self._refuse(Refusal.TRUNCATED)
            return True
        self.last = True
        if self.running is None:
            return False
        self.cycle.keep_alive = False
        return True

    def shutdown(self) -> None:
        """Close now if idle, else after the requests that have begun."""
        self.draining = True
        self.keep = False
        if self.stage is Stage.IDLE:
            self.last = True
            if self.running is None:
                self.transport.close()
                return
        if self.cycle is not None and self.stage is not Stage.HEAD:
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        if self.last:
            return  # nothing after the last request of a connection is looked at
        self.framing_counted = self.stage is Stage.BODY
        if self.framing_counted:
            self.framing += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # asked for and ignored (RFC 9110 §7.8); no request may follow
        except httptools.HttpParserError as err:
            if self.refusal is not None:
                self._refuse(self.refusal)
                return
            if isinstance(err, httptools.HttpParserCallbackError) and not self.last:
                raise  # a fault of ours, not of the peer
            if not self.last:
                self._refuse(Refusal.MALFORMED)
                return
        stage = self.stage
        if stage is not self.timed:
            self._set_timer()
        elif stage is Stage.HEAD:
            # A header line that never ends shows only here; finished ones in on_header.
            self.head_wire += len(data)
            if self.head_wire > MAX_HEAD:
                self._refuse(Refusal.HEAD_TOO_LARGE)
        elif stage is Stage.BODY and self.framing > MAX_CHUNK_FRAMING:
            self._refuse(Refusal.CHUNK_FRAMING)

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        if self.last:
            raise _Stop
        self.stage = Stage.HEAD
        self.timed = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.chunked = self.framing_counted = False
        self.head_wire = self.head_size = self.hosts = 0
        self.body_size = self.body_length = self.framing = 0

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_URL:
            self._stop(Refusal.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage is not Stage.HEAD:
            return  # a trailer (RFC 9110 §6.5.1): must not become a header after the fact
        name = name.lower()
        if name == b"host":
            self.hosts += 1
        elif name == b"content-length":
            self.body_length = int(value)  # the parser took digits only, up to 64 bits
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                self._stop(Refusal.TRANSFER_CODING)
            self.chunked = True
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        headers = self.headers
        headers.append((name, value))
        self.head_size += len(name) + len(value) + 4
        if self.head_size > MAX_HEAD or len(headers) > MAX_HEADER_LINES:
            self._stop(Refusal.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        if version == "1.1":
            if self.hosts != 1:
                self._stop(Refusal.HOST)
            self.keep = parser.should_keep_alive() and not self.draining
        elif version == "1.0":
            if self.chunked:
                self._stop(Refusal.TRANSFER_CODING)
            self.keep = False
            self.expect_100_continue = False  # RFC 9110 §10.1.1
        else:
            self._stop(Refusal.VERSION)
        if parser.should_upgrade():
            self._ignore_upgrade()
        if self.body_length > self.limits.max_body:
            self._stop(Refusal.BODY_TOO_LARGE)
        self._begin(self._new_cycle(version))
        self.stage = Stage.BODY

    def on_body(self, body: bytes) -> None:
        if self.framing_counted:
            self.framing -= len(body)
        self.body_size += len(body)
        if self.body_size > self.limits.max_body:
            self._stop(Refusal.BODY_TOO_LARGE)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > BODY_HIGH_WATER:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self.stage = Stage.IDLE
        if not self.keep:
            self.last = True
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    # Calls of the cycle.

    def on_ended(self, cycle: Cycle) -> None:
        self.served.in_flight.discard(cycle)

    def on_application_failed(self, fault: BaseException, *, answered: bool) -> str:
        number = "" if answered else self._rejected(Refusal.APPLICATION_FAILED)
        self.loop.call_exception_handler(
            {"message": "An application failed.", "exception": fault, "request_id": number}
        )
        return number

    def on_response_complete(self) -> None:
        self.running = None
        self.served.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._run(self.pipeline.pop())
        elif self.deferred is not None:
            self._answer(*self.deferred)
            return
        if not self.pipeline:
            self.flow.resume_reading()
        self._set_timer()

    # Below: one request's way in.

    def _new_cycle(self, version: str) -> Cycle:
        path, query = self._target()
        extensions: dict[str, object] = {}
        if self.tls is None:
            self.tls = self.transport.get_extra_info("certctl.tls")
        if self.tls is not None:
            extensions["certctl.tls"] = self.tls
        return Cycle(
            {
                "type": "http",
                "asgi": VERSION,
                "http_version": version,
                "server": self.server,
                "client": self.client,
                "scheme": self.scheme,
                "method": self.parser.get_method().decode("ascii"),
                "root_path": "",
                "path": urllib.parse.unquote(path) if "%" in path else path,
                "raw_path": path.encode("ascii"),
                "query_string": query,
                "headers": self.headers,
                "state": {},
                "extensions": extensions,
            },
            self.transport,
            self.flow,
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.keep,
            owner=self,
        )

    def _target(self) -> tuple[str, bytes]:
        """Path and query of the request target."""
        url = self.url
        if url[0] != _SLASH or b"#" in url:
            # Absolute form (RFC 9112 §3.2.2); authority and asterisk forms fail here.
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserInvalidURLError:
                self._stop(Refusal.MALFORMED)
            return (parsed.path or b"/").decode("ascii"), parsed.query or b""
        raw, _, query = url.partition(b"?")
        return raw.decode("ascii"), query  # the parser took visible ASCII only

    def _begin(self, cycle: Cycle) -> None:
        self.cycle = cycle
        if self.running is None:
            self._run(cycle)
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(Refusal.PIPELINE)
        self.flow.pause_reading()
        self.pipeline.appendleft(cycle)

    def _run(self, cycle: Cycle) -> None:
        self.running = cycle
        # The set holds the task: the loop alone would let it be collected.
        self.served.in_flight.add(cycle)
        cycle.task = self.loop.create_task(cycle.run(self.app))

    def _ignore_upgrade(self) -> None:
        if self.parser.get_method() == b"CONNECT":
            self._stop(Refusal.CONNECT)
        if self.chunked or self.body_length:
            # The parser hands over to the other protocol and would swallow the body.
            self._stop(Refusal.UPGRADE_WITH_BODY)
        self.keep = False

    # Below: time limits and refusals.

    def _set_timer(self) -> None:
        stage = self.timed = self.stage
        if self.pipeline:
            self.deadline.stop()  # we stopped reading, the peer is not to blame
        elif stage is Stage.HEAD:
            self.deadline.start(self.limits.header_s)
        elif stage is Stage.BODY:
            self.deadline.start(self.limits.body_s)
        elif self.running is not None:
            self.deadline.stop()  # the application has its own time limits
        else:
            self.deadline.start(self.limits.idle_s)

    def _expired(self) -> None:
        match self.stage:
            case Stage.HEAD:
                self._refuse(Refusal.HEADER_TIMEOUT)
            case Stage.BODY:
                self._refuse(Refusal.BODY_TIMEOUT)
            case _:
                self.transport.close()

    def _stop(self, refusal: Refusal) -> None:
        """Refuse from inside a parser callback: note why and stop the parser."""
        self.refusal = refusal
        raise _Stop

    def _refuse(self, refusal: Refusal) -> None:
        """Read no further; answer when the requests before this one are answered."""
        if self.deferred is not None:
            return  # the end of input, or a time limit, while the first refusal waits
        self.last = True
        self.deadline.stop()
        self.flow.pause_reading()
        number = self._rejected(refusal)
        started = False
        if self.stage is Stage.BODY:
            broken = self.cycle
            started = broken.response_started
            broken.disconnect()
            if self.running is broken:
                self.running = None
            elif self.pipeline:
                self.pipeline.popleft()  # it came in last
        if self.running is not None:
            self.deferred = (refusal, number)
        elif started:
            self.transport.close()
        else:
            self._answer(refusal, number)

    def _rejected(self, refusal: Refusal) -> str:
        """Tell of an answer that no application gives, and give it an id."""
        number = request_id(self.random)
        if self.on_rejected is not None:
            client = self.client[0] if self.client else ""
            self.on_rejected(REFUSALS[refusal][0], refusal, client, number)
        return number

    def _answer(self, refusal: Refusal, number: str) -> None:
        write_last(self.transport, refusal_answer(refusal, number))
