"""One TLS connection on a non-blocking socket, driven by the event loop.

::

    HANDSHAKE ──► OPEN ──► CLOSING ──► DRAINING ──► CLOSED
        │           │    (unsent bytes,  (our side ended,   ▲
        └───────────┴───  close_notify)   input dropped)────┘

It moves bytes between socket and protocol, keeps one deadline per state, and ends
connections so that the peer can read the last answer. It must never look into HTTP,
never let a peer fill our memory, and never leave a socket behind.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from enum import StrEnum
from typing import Final

from OpenSSL import SSL

from certctl.domain.connection import TLSInfo
from certctl.tls.deadline import Deadline
from certctl.tls.engine import (
    EngineFailure,
    PeerClosed,
    PeerVanished,
    TLSEngine,
    WantRead,
    WantWrite,
)
from certctl.tls.limits import (
    DRAIN_BYTES,
    READ_SIZE,
    READS_PER_WAKE,
    WRITE_HIGH_WATER,
    WRITE_LOW_WATER,
    WRITES_PER_WAKE,
)
from certctl.tls.owner import ConnectionOwner
from certctl.tls.plain import PlainEngine
from certctl.tls.transport import TLSTransport

# l_onoff, l_linger: close at once and drop what the peer never took.
_RESET: Final = struct.pack("ii", 1, 0)
# Linux has it.
_CORK: Final[int | None] = getattr(socket, "TCP_CORK", None)
_DRAIN_READ: Final = 64 * 1024


class State(StrEnum):
    HANDSHAKE = "handshake"
    OPEN = "open"
    CLOSING = "closing"
    DRAINING = "draining"
    CLOSED = "closed"


class TLSConnection:
    """See the module. ``peer`` is (address, port); ``source`` the owner's key for caps.

    Without a ``context`` it speaks no TLS (``tls.plain``).
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_deadline",
        "_drained",
        "_engine",
        "_fd",
        "_info",
        "_loop",
        "_owner",
        "_paused",
        "_peer_ended",
        "_read_wants_write",
        "_sock",
        "_state",
        "_watching_read",
        "_watching_write",
        "_write_paused",
        "_write_wants_read",
        "context",
        "peer",
        "protocol",
        "source",
        "unsent",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        peer: tuple[str, int],
        source: str,
        context: SSL.Context | None,
        loop: asyncio.AbstractEventLoop,
        owner: ConnectionOwner,
    ) -> None:
        self.peer = peer
        self.source = source
        self.context = context
        self.unsent = 0
        self.protocol: asyncio.Protocol
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._owner = owner
        self._engine: TLSEngine | PlainEngine | None = (
            PlainEngine(sock) if context is None else TLSEngine(context, sock)
        )
        self._info: TLSInfo | None = None
        self._state = State.HANDSHAKE
        self._buffer: deque[memoryview] | None = None
        self._drained = 0
        self._paused = False
        self._peer_ended = False
        self._read_wants_write = False
        self._write_wants_read = False
        self._write_paused = False
        self._watching_write = False
        self._watching_read = True
        loop.add_reader(self._fd, self._on_readable)
        self._deadline = Deadline(owner.alarms, self._expired)
        self._deadline.start(owner.limits.handshake_s)
        if context is None:
            # There is no handshake to wait for.
            loop.call_soon(self._on_readable)

    # What the transport facade offers to the protocol.

    @property
    def closing(self) -> bool:
        return self._state is not State.OPEN

    @property
    def reading(self) -> bool:
        return self._state is State.OPEN and not self._paused

    @property
    def handshaking(self) -> bool:
        return self._state is State.HANDSHAKE

    @property
    def info(self) -> TLSInfo | None:
        """Built at the first request and kept; None once the engine is gone."""
        if self._info is None and self._engine is not None:
            self._info = self._engine.info()
        return self._info

    def local_address(self) -> tuple[str, int]:
        name = self._sock.getsockname()
        return (str(name[0]), int(name[1]))

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, keep the rest; ignored once closing."""
        engine = self._engine
        if self._state is not State.OPEN or engine is None or not data:
            return
        if not self._buffer:
            try:
                sent = engine.write(data)
            except WantWrite:
                sent = 0
            except WantRead:
                sent = 0
                self._write_wants_read = True
            except EngineFailure as err:
                self._fail(err)
                return
            if sent == len(data):
                return
            self._buffer = deque((memoryview(data)[sent:],))
            self.unsent = len(data) - sent
            self._flush()
        else:
            self._buffer.append(memoryview(data))
            self.unsent += len(data)
        if self.unsent > WRITE_HIGH_WATER and not self._write_paused and self._buffer:
            self._write_paused = True
            self.protocol.pause_writing()

    def write_last(self, data: bytes) -> None:
        """``write``, then ``close``: what fits travels in one packet with our end."""
        if self._state is State.OPEN and _CORK is not None:
            # Until SHUT_WR, which sends whatever waits: three packets would be three
            # deliveries in the kernel, and three wake-ups of the peer.
            self._sock.setsockopt(socket.IPPROTO_TCP, _CORK, 1)
        self.write(data)
        self.close()

    def pause_reading(self) -> None:
        self._paused = True
        self._watch_read(wanted=self._write_wants_read)

    def resume_reading(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._state is State.OPEN and not self._peer_ended:
            self._watch_read(wanted=True)
            # OpenSSL may hold decrypted bytes which no event will announce.
            self._loop.call_soon(self._on_readable)

    def close(self) -> None:
        """Send what is unsent, then close_notify, then end our side and drain."""
        if self._state is State.HANDSHAKE:
            self._close_now(None)
        elif self._state is State.OPEN:
            self._state = State.CLOSING
            if not self._buffer:
                self._say_goodbye()
            else:
                self._watch_read(wanted=self._write_wants_read)

    def abort(self) -> None:
        """Close at once; the kernel drops unsent bytes instead of nursing them."""
        if self._state is not State.CLOSED:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._close_now(None)

    # Events of the loop.

    def _on_readable(self) -> None:
        if self._write_wants_read:
            self._write_wants_read = False
            self._watch_read(wanted=self.reading)
            self._flush()
        state = self._state
        if state is State.OPEN:
            if not self._paused:
                self._read()
        elif state is State.HANDSHAKE:
            self._shake_hands()
        elif state is State.DRAINING:
            self._drain()

    def _on_writable(self) -> None:
        if self._state is State.HANDSHAKE:
            self._watch_write(wanted=False)
            self._shake_hands()
            return
        self._flush()
        if self._read_wants_write and self._state is State.OPEN:
            self._read_wants_write = False
            self._read()

    def _expired(self) -> None:
        match self._state:
            case State.HANDSHAKE:
                self._owner.handshake_failed(self, "timeout")
                self._close_now(None)
            case State.OPEN | State.CLOSING:
                self._owner.write_timed_out(self)
                self.abort()
            case _:
                self._close_now(None)

    # Reading.

    def _shake_hands(self) -> None:
        engine = self._engine
        if engine is None:
            return
        try:
            engine.handshake()
        except WantRead:
            return
        except WantWrite:
            self._watch_write(wanted=True)
            return
        except EngineFailure as err:
            self._owner.handshake_failed(self, str(err))
            if isinstance(err, (PeerClosed, PeerVanished)):
                self._close_now(None)
            else:
                # The alert is on its way; a reset by unread input must not overtake it.
                self._end_our_side(None)
            return
        self._deadline.stop()
        self._state = State.OPEN
        self._owner.handshake_done(tls12=engine.tls12)
        self.protocol = self._owner.new_protocol()
        self.protocol.connection_made(TLSTransport(self))
        # The first request usually came with the client's Finished.
        self._read()

    def _read(self) -> None:
        engine = self._engine
        if engine is None:
            return
        protocol = self.protocol
        for _ in range(READS_PER_WAKE):
            try:
                data = engine.read(READ_SIZE)
            except WantRead:
                break
            except WantWrite:
                self._read_wants_write = True
                self._watch_write(wanted=True)
                return
            except PeerClosed:
                self._peer_closed(protocol)
                return
            except EngineFailure as err:
                self._fail(err)
                return
            try:
                protocol.data_received(data)
            except BaseException:
                self.abort()
                raise
            if self._paused or self._state is not State.OPEN:
                return
            # Asking an empty socket would cost an exception; what comes later is announced
            # by the loop.
            if len(data) < READ_SIZE and not engine.pending():
                break
        if self._was_reset():
            self._fail(PeerVanished("ECONNRESET"))

    def _peer_closed(self, protocol: asyncio.Protocol) -> None:
        """The peer sends no more, but may wait for an answer (RFC 8446 §6.1)."""
        self._peer_ended = True
        self._watch_read(wanted=False)
        try:
            keep = protocol.eof_received()
        except BaseException:
            self.abort()
            raise
        if not keep:
            self.close()

    def _drain(self) -> None:
        """Swallow what the peer still sends, up to a limit.

        Unread input at close means a reset, and a reset makes the peer's kernel throw
        away the answer it has not read yet.
        """
        try:
            data = self._sock.recv(_DRAIN_READ)
            self._drained += len(data)
            # What is left, and the end, are announced by the loop.
            if data and self._drained <= DRAIN_BYTES and not self._was_reset():
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._close_now(None)

    def _was_reset(self) -> bool:
        """To be asked wherever reading ends before the socket is empty (adr/0018).

        uvloop tells of an error once, be there input before it or not, and of nothing more.
        """
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    # Writing.

    def _flush(self) -> None:
        engine = self._engine
        if engine is None:
            return
        before = self.unsent
        if self._buffer:
            try:
                self._write_some(engine, self._buffer)
            except EngineFailure as err:
                self._fail(err)
                return
        if self._write_paused and self.unsent <= WRITE_LOW_WATER:
            self._write_paused = False
            self.protocol.resume_writing()
        if self._buffer:
            # Any progress is a new lease; none within the limit ends the connection.
            if self.unsent < before or not self._deadline.running:
                self._deadline.start(self._owner.limits.write_s)
            # Waiting for the peer's bytes, a writable socket would only spin the loop.
            self._watch_write(wanted=not self._write_wants_read)
            if self._write_wants_read:
                self._watch_read(wanted=True)
            return
        self._watch_write(wanted=self._read_wants_write)
        self._deadline.stop()
        if self._state is State.CLOSING:
            self._say_goodbye()

    def _write_some(self, engine: TLSEngine | PlainEngine, buffer: deque[memoryview]) -> None:
        try:
            for _ in range(WRITES_PER_WAKE):
                if not buffer:
                    return
                piece = buffer[0]
                sent = engine.write(piece)
                self.unsent -= sent
                if sent == len(piece):
                    buffer.popleft()
                else:
                    buffer[0] = piece[sent:]
        except WantWrite:
            pass
        except WantRead:
            self._write_wants_read = True

    # Ending.

    def _say_goodbye(self) -> None:
        if self._engine is None:
            return
        try:
            self._engine.close_notify()
        except (WantWrite, WantRead):
            self._watch_read(wanted=False)
            self._watch_write(wanted=True)
            self._deadline.start(self._owner.limits.write_s)
            return
        except EngineFailure:
            self._close_now(None)
            return
        self._end_our_side(None)

    def _end_our_side(self, error: Exception | None) -> None:
        self._engine = None  # frees about 20 KB while we wait for the peer
        self._buffer = None
        self.unsent = 0
        self._part_from_protocol(error)
        self._state = State.DRAINING
        if self._peer_ended:
            self._close_now(error)
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close_now(error)
            return
        self._deadline.start(self._owner.limits.drain_s)
        self._watch_write(wanted=False)
        self._watch_read(wanted=True)
        self._owner.connection_quiet(self)

    def _fail(self, err: EngineFailure) -> None:
        """The engine cannot go on: the peer is gone, or broke TLS and was alerted."""
        reason = ConnectionError(str(err))
        if isinstance(err, (PeerClosed, PeerVanished)):
            self._close_now(reason)
        else:
            self._end_our_side(reason)

    def _close_now(self, error: Exception | None) -> None:
        if self._state is State.CLOSED:
            return
        self._part_from_protocol(error)
        self._state = State.CLOSED
        self._deadline.cancel()
        self._watch_read(wanted=False)
        self._watch_write(wanted=False)
        self._engine = None
        self._buffer = None
        self.unsent = 0
        self._sock.close()
        self._owner.connection_closed(self)

    def _part_from_protocol(self, error: Exception | None) -> None:
        if self._state in (State.OPEN, State.CLOSING):
            # Never from inside a call of the protocol: it may be in the middle of one.
            self._loop.call_soon(self.protocol.connection_lost, error)
            # Else protocol, transport and connection hold each other until the next
            # garbage collection, which a server puts off.
            del self.protocol

    def _watch_read(self, *, wanted: bool) -> None:
        if wanted is not self._watching_read:
            self._watching_read = wanted
            if wanted:
                self._loop.add_reader(self._fd, self._on_readable)
            else:
                self._loop.remove_reader(self._fd)

    def _watch_write(self, *, wanted: bool) -> None:
        if wanted is not self._watching_write:
            self._watching_write = wanted
            if wanted:
                self._loop.add_writer(self._fd, self._on_writable)
            else:
                self._loop.remove_writer(self._fd)
