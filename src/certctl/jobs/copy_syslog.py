"""A copy of the audit trail to syslog (RFC 5424) over UDP, TCP or a UNIX socket.

Everything has a time limit, and runs in a thread that nobody waits for. Over TCP a batch
counts as copied when the collector's kernel has acknowledged it; UDP has no such thing.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Sequence

from certctl.domain.audit_copy import CopyKind, CopyTarget
from certctl.jobs.audit_copy import CopiedLine
from certctl.wire import syslog

SECONDS = 5.0
_LOOK_SECONDS = 0.01


class SyslogSink:
    """Implements ``audit_copy.Sink``."""

    def __init__(self, target: CopyTarget, *, host: str) -> None:
        self._target = target
        self._host = host
        self._socket: socket.socket | None = None
        self._stream = target.kind is CopyKind.TCP

    def write(self, lines: Sequence[CopiedLine]) -> int:
        """Send all; gives how many were too long for a datagram and are lost to the copy.

        Raises:
            OSError: the collector is away, or does not read.
        """
        messages = [self._message(line) for line in lines]
        try:
            self._connect()
            if self._stream:
                self._send_stream(b"".join(map(syslog.framed, messages)))
                return 0
            return sum(self._is_too_long(each) for each in messages)
        except OSError:
            self.reopen()
            raise

    def reopen(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _message(self, line: CopiedLine) -> bytes:
        return syslog.message(
            line.text.removesuffix(b"\n"),
            time_us=line.time_us,
            host=self._host,
            message_id=line.name,
            severity=syslog.INFO if line.good else syslog.WARNING,
        )

    def _connect(self) -> None:
        if self._socket is not None and self._is_open(self._socket):
            return
        self.reopen()
        target = self._target
        if target.kind is CopyKind.UNIX:
            self._socket, self._stream = _connect_unix(target.path)
        elif target.kind is CopyKind.TCP:
            self._socket = socket.create_connection((target.host, target.port), SECONDS)
        else:
            family, _, _, _, address = socket.getaddrinfo(
                target.host, target.port, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.connect(address)
        self._socket.settimeout(SECONDS)

    def _is_open(self, connection: socket.socket) -> bool:
        """A collector that has closed would take one more batch into nothing."""
        if not self._stream:
            return True
        try:
            connection.setblocking(False)
            return connection.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            connection.settimeout(SECONDS)

    def _send_stream(self, octets: bytes) -> None:
        connection = self._require()
        connection.sendall(octets)
        if connection.family == socket.AF_UNIX:
            return
        deadline = time.monotonic() + SECONDS
        while _unacknowledged(connection):
            if time.monotonic() > deadline:
                raise TimeoutError("the collector does not acknowledge")
            time.sleep(_LOOK_SECONDS)

    def _is_too_long(self, message: bytes) -> bool:
        try:
            self._require().send(message)
        except OSError as err:
            if err.errno != errno.EMSGSIZE:
                raise
            return True
        return False

    def _require(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket


def _connect_unix(path: str) -> tuple[socket.socket, bool]:
    """/dev/log is a datagram socket nearly everywhere, a stream on some systems."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        connection = socket.socket(socket.AF_UNIX, kind)
        connection.settimeout(SECONDS)
        try:
            connection.connect(path)
        except OSError as err:
            connection.close()
            if err.errno == errno.EPROTOTYPE and kind is socket.SOCK_DGRAM:
                continue
            raise
        return connection, kind is socket.SOCK_STREAM
    raise ConnectionError(path)


def _unacknowledged(connection: socket.socket) -> int:
    """Octets that the peer's kernel has not acknowledged (SIOCOUTQ), 0 once it has all.

    Raises:
        OSError: the connection has been lost meanwhile.
    """
    problem = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, "the connection was lost")
    waiting = fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4)
    return int(struct.unpack("i", waiting)[0])
