"""Accepts connections for one process and keeps count of them.

Workers each open a listener on the same port (SO_REUSEPORT) and the kernel spreads
connections among them. Over the caps a connection is closed at once; out of file
descriptors accepting pauses and goes on by itself; a new TLS context serves new
connections while old ones live on. ``close`` lets requests in flight finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from OpenSSL import SSL

from certctl.domain.asgi import Application
from certctl.domain.ids import RandomBytes
from certctl.tls.connection import TLSConnection
from certctl.tls.cycle import Served
from certctl.tls.deadline import Alarms
from certctl.tls.http import HttpProtocol
from certctl.tls.limits import STOP_LINGER_S, ConnectionLimits
from certctl.tls.places import NoPlace, Places

BACKLOG: Final = 4096
"""Connections the kernel completes for us while we are busy."""

ACCEPTS_PER_WAKE: Final = 64
"""Accepts in a row before connections already open get their turn."""

KERNEL_UNSENT: Final = 128 * 1024
"""Bytes of an answer the kernel takes before they can be sent."""

ACCEPT_PAUSE_S: Final = 0.1
"""Pause when the process or the system is out of descriptors or memory."""

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_IPV4_MAPPED: Final = "::ffff:"


class EventKind(StrEnum):
    """What a listener reports; the values are labels for metrics and logs."""

    HANDSHAKE_FAILED = "handshake_failed"
    REFUSED_TOTAL = "refused_total"
    REFUSED_SOURCE = "refused_source"
    REJECTED = "rejected"
    WRITE_TIMEOUT = "write_timeout"
    ACCEPT_PAUSED = "accept_paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerEvent:
    """Something a peer did that ended badly.

    ``status`` and ``request_id``, which the answer shows, only with ``REJECTED``.
    """

    kind: EventKind
    client: str = ""
    reason: str = ""
    status: int = 0
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCounters:
    """Counts since start; ``open`` and ``requests_in_flight`` are those of now.

    ``rejected`` holds answers of the HTTP layer itself, by status.
    """

    handshakes_ok: int
    handshakes_failed: int
    refused_total: int
    refused_source: int
    write_timeouts: int
    requests: int
    rejected: Mapping[int, int]
    open: int
    requests_in_flight: int


def bind_listener(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket that other processes may share.

    ``host`` is an address or name; ``::`` takes IPv4 as well. ``port`` 0 lets the kernel
    choose.

    Raises:
        OSError: the name does not resolve, or the address cannot be bound.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        # Accepted sockets inherit both. Answers are written whole: waiting for an ACK would
        # only add 40 ms.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Else a slow reader holds megabytes in the kernel, and
        # the write time limit sees its progress only in steps as large.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_UNSENT)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def source_key(address: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 that an IPv6 host owns."""
    if ":" not in address:
        return address
    packed = ipaddress.IPv6Address(address.partition("%")[0]).packed
    return packed[:8].hex()


class Listener:
    """Connections of one listening socket; give it to one event loop.

    Args:
        sock: from ``bind_listener``; closed by ``close``.
        app: ASGI 3 application; gets ``scope["extensions"]["certctl.tls"]``.
        context: from ``build_server_context``; None for a listener without TLS.
        limits: caps and times; caps count for this process.
        loop: the running loop (uvloop or asyncio).
        places: shared with the process's other listeners, whose connections count
            towards the same caps; without it this listener has its own.
        carries_many: addresses (as text) of proxies, which many clients share: no cap per
            source for them, only the one in all.
        on_event: hears of what went wrong; must be quick and must not raise.
        on_handshake: hears the version of each TLS handshake that ended well; of the same
            kind.
        random: for the ids of requests that are refused here.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        app: Application,
        context: SSL.Context | None,
        limits: ConnectionLimits,
        loop: asyncio.AbstractEventLoop,
        places: Places | None = None,
        carries_many: Callable[[str], bool] | None = None,
        on_event: Callable[[ListenerEvent], None] | None = None,
        on_handshake: Callable[[str], None] | None = None,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.limits = limits
        self.alarms = Alarms(loop)
        self._random = random
        self._sock = sock
        self._context = context
        self._loop = loop
        self._carries_many = carries_many
        self._on_event = on_event
        self._on_handshake = None if context is None else on_handshake
        self._app = app
        self._served = Served()
        self._connections: set[TLSConnection] = set()
        self._quiet: set[TLSConnection] = set()
        self._places = places or Places(limits)
        self._accepting = False
        self._closing = False
        self._pause: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self._handshakes_ok = 0
        self._handshakes_failed = 0
        self._refused_total = 0
        self._refused_source = 0
        self._write_timeouts = 0
        self._rejected: dict[int, int] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Address and port bound."""
        name = self._sock.getsockname()
        return (str(name[0]), int(name[1]))

    @property
    def counters(self) -> ListenerCounters:
        return ListenerCounters(
            handshakes_ok=self._handshakes_ok,
            handshakes_failed=self._handshakes_failed,
            refused_total=self._refused_total,
            refused_source=self._refused_source,
            write_timeouts=self._write_timeouts,
            requests=self._served.total_requests,
            rejected=MappingProxyType(dict(self._rejected)),
            open=len(self._connections),
            requests_in_flight=len(self._served.in_flight),
        )

    def start(self) -> None:
        """Begin to accept. Before this the kernel queues connections."""
        if not self._accepting and not self._closing:
            self._accepting = True
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def swap_context(self, context: SSL.Context) -> None:
        """Serve new connections with another certificate; open ones keep theirs."""
        self._context = context

    async def close(self, grace_s: float) -> None:
        """Stop accepting, finish what has begun, abort the rest after ``grace_s``."""
        if self._closing:
            return
        # What the kernel has completed for us would otherwise be reset.
        if self._accepting:
            self._accept(BACKLOG)
        self._closing = True
        self._stop_accepting()
        self._sock.close()
        for connection in tuple(self._connections):
            self._wind_down(connection)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._until(lambda: len(self._quiet) == len(self._connections))
                async with asyncio.timeout(STOP_LINGER_S):
                    await self._until(lambda: not self._connections)
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # lets protocols hear that their connections are gone

    # What connections tell us (ConnectionOwner).

    def new_protocol(self) -> HttpProtocol:
        protocol = HttpProtocol(
            self._app,
            self._served,
            alarms=self.alarms,
            limits=self.limits,
            random=self._random,
            on_rejected=self._rejected_one,
        )
        protocol.draining = self._closing
        return protocol

    def handshake_done(self, *, tls12: bool) -> None:
        self._handshakes_ok += 1
        if self._on_handshake is not None:
            self._on_handshake("TLSv1.2" if tls12 else "TLSv1.3")

    def handshake_failed(self, connection: TLSConnection, reason: str) -> None:
        self._handshakes_failed += 1
        self._report(EventKind.HANDSHAKE_FAILED, connection.peer[0], reason)

    def write_timed_out(self, connection: TLSConnection) -> None:
        self._write_timeouts += 1
        self._report(EventKind.WRITE_TIMEOUT, connection.peer[0])

    def connection_quiet(self, connection: TLSConnection) -> None:
        self._quiet.add(connection)
        if self._closing:
            self._ended.set()

    def connection_closed(self, connection: TLSConnection) -> None:
        self._connections.discard(connection)
        self._quiet.discard(connection)
        self._places.leave(connection.source)
        if self._closing:
            self._ended.set()

    # Accepting.

    def _accept(self, most: int = ACCEPTS_PER_WAKE) -> None:
        for _ in range(most):
            try:
                sock, name = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as err:
                if err.errno in _EXHAUSTED:
                    self._pause_accepting(err)
                    return
                continue  # the peer was gone before we came (ECONNABORTED and kin)
            self._admit(sock, str(name[0]).removeprefix(_IPV4_MAPPED), int(name[1]))

    def _admit(self, sock: socket.socket, address: str, port: int) -> None:
        source = source_key(address)
        try:
            shared = self._carries_many is not None and self._carries_many(address)
            self._places.require(source, carries_many=shared)
        except NoPlace as full:
            sock.close()
            if full.source:
                self._refused_source += 1
                self._report(EventKind.REFUSED_SOURCE, address)
            else:
                self._refused_total += 1
                self._report(EventKind.REFUSED_TOTAL, address)
            return
        sock.setblocking(False)
        connection = TLSConnection(
            sock,
            peer=(address, port),
            source=source,
            context=self._context,
            loop=self._loop,
            owner=self,
        )
        self._places.take(source)
        self._connections.add(connection)

    def _pause_accepting(self, err: OSError) -> None:
        """The connection waits in the kernel; without a pause its event would spin us."""
        self._report(EventKind.ACCEPT_PAUSED, "", errno.errorcode.get(err.errno or 0, ""))
        if self._accepting:
            self._stop_accepting()
            self._pause = self._loop.call_later(ACCEPT_PAUSE_S, self.start)

    def _stop_accepting(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._sock.fileno())

    # Stopping.

    def _wind_down(self, connection: TLSConnection) -> None:
        if connection.handshaking or connection.closing:
            return  # a new one is told to be brief by new_protocol
        protocol = connection.protocol
        if isinstance(protocol, HttpProtocol):
            protocol.shutdown()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._ended.clear()
            await self._ended.wait()

    def _rejected_one(self, status: int, reason: str, client: str, request_id: str) -> None:
        self._rejected[status] = self._rejected.get(status, 0) + 1
        if self._on_event is not None:
            self._on_event(
                ListenerEvent(
                    kind=EventKind.REJECTED,
                    client=client,
                    reason=reason,
                    status=status,
                    request_id=request_id,
                )
            )

    def _report(self, kind: EventKind, client: str, reason: str = "") -> None:
        if self._on_event is not None:
            self._on_event(ListenerEvent(kind=kind, client=client, reason=reason))
