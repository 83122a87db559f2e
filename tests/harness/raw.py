"""TLS and HTTP octet by octet: what an ordinary client library would never send."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from tests.harness.http import TIMEOUT_SECONDS, tls_context
from tests.harness.server import RunningServer

END_OF_HEADER = b"\r\n\r\n"
READ_SIZE = 65_536
LOOPBACK = "127.0.0.1"


_addresses = itertools.count()


def new_source() -> str:
    """A loopback address that nobody in this process has come from yet.

    Refusals of one source may share an event, so tests that count take new ones.
    """
    number = next(_addresses)
    return f"127.{9 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


class HungUp(AssertionError):
    """The server ended the connection before an answer was complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def closes(self) -> bool:
        return "close" in self.headers.get("connection", "").lower()


class Stream(Protocol):
    """An encrypted connection, whichever library made it."""

    def sendall(self, data: bytes, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...


class Conversation:
    """HTTP octet by octet over one connection. Use as a context manager."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._unread = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    def fileno(self) -> int:
        return self._stream.fileno()

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the server took no more, or ended the connection.
        """
        self._stream.sendall(data)

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next final answer; interim ones (100) are passed over.

        Raises:
            HungUp: the connection ended first.
            TimeoutError: nothing more came.
        """
        while True:
            while END_OF_HEADER not in self._unread:
                self._more()
            head, _, _ = self._unread.partition(END_OF_HEADER)
            del self._unread[: len(head) + len(END_OF_HEADER)]
            status_line, *lines = head.decode("latin-1").split("\r\n")
            status = int(status_line.split(" ")[1])
            if status >= 200:
                break
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        size = 0 if to_head else int(headers.get("content-length", "0"))
        while len(self._unread) < size:
            self._more()
        body = bytes(self._unread[:size])
        del self._unread[:size]
        return Answer(status=status, headers=headers, body=body)

    def interim(self) -> int:
        """Status of the next head without a body: 100, once the server has read a header."""
        while END_OF_HEADER not in self._unread:
            self._more()
        head, _, _ = self._unread.partition(END_OF_HEADER)
        del self._unread[: len(head) + len(END_OF_HEADER)]
        return int(head.split(b" ")[1])

    def rest(self) -> bytes:
        """Everything up to the end of the connection, however the server ends it."""
        try:
            while data := self._stream.recv(READ_SIZE):
                self._unread += data
        except (ssl.SSLError, ConnectionError):
            pass
        return bytes(self._unread)

    def _more(self) -> None:
        try:
            data = self._stream.recv(READ_SIZE)
        except (ssl.SSLEOFError, ConnectionError) as err:
            raise HungUp(bytes(self._unread)) from err
        if not data:
            raise HungUp(bytes(self._unread))
        self._unread += data


class RawClient(Conversation):
    """One TLS connection; ``source`` is the loopback address it comes from, else a new one."""

    def __init__(
        self,
        server: RunningServer,
        *,
        source: str | None = None,
        context: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
        receive_buffer: int | None = None,
        port: int | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.source = source or new_source()
        plain = open_tcp(
            server, source=self.source, timeout=timeout, receive_buffer=receive_buffer, port=port
        )
        try:
            self.tls = (context or tls_context(server.ca_file)).wrap_socket(
                plain, server_hostname="localhost", session=session
            )
        except BaseException:
            plain.close()
            raise
        super().__init__(self.tls)

    def peer_certificate(self) -> bytes | None:
        """What the server showed (DER)."""
        return self.tls.getpeercert(binary_form=True)

    def end(self) -> None:
        """End our side: TCP first, so that the server reads an end without close_notify."""
        # Not SSLSocket.shutdown, which forgets that there was TLS and reads raw records.
        socket.socket.shutdown(self.tls, socket.SHUT_WR)


def open_tcp(
    server: RunningServer,
    *,
    source: str = LOOPBACK,
    timeout: float = TIMEOUT_SECONDS,
    receive_buffer: int | None = None,
    port: int | None = None,
) -> socket.socket:
    """A TCP connection that has said nothing yet; ``port`` where it is not the main one."""
    plain = socket.socket()
    try:
        plain.settimeout(timeout)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.bind((source, 0))
        plain.connect((LOOPBACK, port or server.port))
    except BaseException:
        plain.close()
        raise
    return plain


def ended(plain: socket.socket) -> bool:
    """The server has ended this connection without a word.

    Raises:
        TimeoutError: it is still open.
    """
    try:
        return plain.recv(100) == b""
    except ConnectionResetError:
        return True


def head(method: str, path: str, *lines: str, host: str | None = "localhost") -> bytes:
    """A request's header, exactly of these lines."""
    first = [f"{method} {path} HTTP/1.1"] + ([f"Host: {host}"] if host is not None else [])
    return "\r\n".join([*first, *lines]).encode("latin-1") + END_OF_HEADER


def post(path: str, body: bytes, *lines: str) -> bytes:
    """A whole POST with its Content-Length."""
    return head("POST", path, *lines, f"Content-Length: {len(body)}") + body


def chunked(*chunks: bytes) -> bytes:
    """A body in chunked coding with its last chunk."""
    parts = (b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"".join(parts) + b"0\r\n\r\n"


@contextmanager
def crowd(members: list[RawClient] | list[socket.socket]) -> Iterator[None]:
    """Close all of them at the end, whatever happened."""
    try:
        yield
    finally:
        for member in members:
            member.close()
