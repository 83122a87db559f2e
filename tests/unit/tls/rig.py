"""A listener in a thread of its own, a small application, keys, and raw clients."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from certctl.domain.connection import TLSInfo
from certctl.tls import (
    ConnectionLimits,
    HttpProtocol,
    Listener,
    ListenerCounters,
    ListenerEvent,
    Oldest,
    bind_listener,
    build_server_context,
)
from certctl.tls.connection import TLSConnection
from tests.harness.replacing import replace

T = TypeVar("T")

QUICK = ConnectionLimits(
    handshake_s=5, header_s=5, body_s=5, idle_s=5, write_s=5, drain_s=2, max_body=256 * 1024
)
"""Long enough that no test meets a limit it did not set itself."""

WAIT_S = 10.0


# Keys and certificates.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey

    @property
    def chain_pem(self) -> bytes:
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)

    @property
    def chain_der(self) -> list[str]:
        return [c.public_bytes(serialization.Encoding.DER).hex() for c in self.chain]

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def issue(
    name: str, *, by: Pair | None = None, days: tuple[int, int] = (-1, 30), ca: bool = False
) -> Pair:
    """A certificate valid from ``days[0]`` to ``days[1]`` relative to today."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.chain[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(by.key if by else key, hashes.SHA256())
    )
    above = by.chain if by else ()
    return Pair(chain=(certificate, *above), key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    server: Pair
    next_server: Pair
    device: Pair
    expired: Pair


def make_pki() -> Pki:
    root = issue("Some Root", ca=True)
    middle = issue("Some Issuer", by=root, ca=True)
    return Pki(
        server=issue("server one", by=middle),
        next_server=issue("server two", by=middle),
        device=issue("a device", by=middle),
        expired=issue("an old device", by=middle, days=(-30, -2)),
    )


# The application.


class App:
    """ASGI application whose behaviour is chosen by the path."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.disconnects = 0
        self.held = 0
        self.release = asyncio.Event()
        self.cut = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["path"]
        handler = getattr(self, "on_" + path.strip("/").replace("-", "_"), self.on_echo)
        size = await handler(scope, receive, send)
        self.seen.append((method, path, size or 0))

    async def on_echo(self, _scope: Any, receive: Any, send: Any) -> int:
        body = await self.body(receive)
        await answer(send, body)
        return len(body)

    async def on_scope(self, scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        info = scope["extensions"]["certctl.tls"]
        assert isinstance(info, TLSInfo)
        fact = {
            "version": info.version,
            "exporter": info.exporter.hex() if info.exporter else None,
            "tls_unique": info.tls_unique.hex() if info.tls_unique else None,
            "bindable": info.bindable,
            "chain": [der.hex() for der in info.peer_chain],
            "same": info is scope["extensions"]["certctl.tls"],
            "id": id(info),
            "client": scope["client"][0],
            "server": list(scope["server"]),
            "scheme": scope["scheme"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": [name.decode() for name, _ in scope["headers"]],
        }
        await answer(send, json.dumps(fact).encode())

    async def on_late(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with the header names of the scope, read after the body."""
        await self.body(receive)
        await answer(send, b",".join(name for name, _ in scope["headers"]))

    async def on_early(self, _scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, b"no\n", status=401)

    async def on_empty(self, _scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def on_hold(self, _scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        self.held += 1
        await self.release.wait()
        await answer(send, b"held\n")

    async def on_wait_gone(self, _scope: Any, receive: Any, send: Any) -> None:
        await self.body(receive)
        self.held += 1
        while (await receive())["type"] != "http.disconnect":
            pass
        self.cut.set()
        await answer(send, b"nobody reads this")

    async def on_stream(self, _scope: Any, receive: Any, send: Any) -> int:
        """64 MiB in parts; returns how much was handed over."""
        await self.body(receive)
        part, parts, given = b"s" * 65536, 1024, 0
        length = b"%d" % (len(part) * parts)
        headers = [(b"Content-Length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(parts):
            await send(
                {"type": "http.response.body", "body": part, "more_body": number < parts - 1}
            )
            given += len(part)
        return given

    async def on_lump(self, _scope: Any, receive: Any, send: Any) -> None:
        """32 MiB in one message: the transport has to keep what the peer does not take."""
        await self.body(receive)
        await answer(send, b"l" * 32 * 1024 * 1024)

    async def on_no_length(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def on_chunked(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x"})

    async def on_too_long(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"xx"})

    async def on_split(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", b"1"), (b"X-Name", b"a\r\nX-Evil: b")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x"})

    async def on_no_answer(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def on_crash(self, _scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("planted")

    async def on_breaks_off(self, _scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"Content-Length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})

    async def body(self, receive: Any) -> bytes:
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                break
            parts.append(message["body"])
            if not message["more_body"]:
                break
        return b"".join(parts)


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [
        (b"Content-Type", b"text/plain"),
        (b"WWW-Authenticate", b"Basic"),
        (b"ETag", b'"1"'),
        (b"Content-Length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# The server.


class Server:
    """One listener on a loop of its own thread. Use as a context manager."""

    def __init__(self, pki: Pki, loop_kind: str, **limits: Any) -> None:
        self.pki = pki
        self.events: list[ListenerEvent] = []
        self.app = App()
        self.loop = uvloop.new_event_loop() if loop_kind == "uvloop" else asyncio.new_event_loop()
        self.loop_errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.loop_errors.append(context))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._limits = replace(QUICK, **limits)
        self.listener: Listener
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self._start)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close(0.2)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self.loop.close()
        assert self.loop_errors == []

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function on the server's loop and wait for its value."""

        async def run() -> T:
            return await function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(WAIT_S)

    def do(self, function: Callable[[], T]) -> T:
        """Run a plain function on the server's loop."""

        async def run() -> T:
            return function()

        return self.call(run)

    def close(self, grace_s: float) -> None:
        self.call(lambda: self.listener.close(grace_s))

    def protocol(self) -> HttpProtocol:
        """The one open connection's HTTP side; call it on the loop (``do``, ``until``)."""
        (connection,) = self.listener._connections
        protocol = connection.protocol
        assert isinstance(protocol, HttpProtocol)
        return protocol

    def connection(self) -> TLSConnection:
        """The one open connection; look at it on the loop only."""
        (connection,) = self.listener._connections
        return connection

    def faults(self) -> list[dict[str, Any]]:
        """What the loop was told of; from then on it is expected."""
        told, self.loop_errors = self.loop_errors, []
        return told

    @property
    def counters(self) -> ListenerCounters:
        return self.do(lambda: self.listener.counters)

    def counters_now(self) -> ListenerCounters:
        """Counters, read on the loop (inside ``until`` or ``do``)."""
        return self.listener.counters

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for something the server does; fails the test after WAIT_S."""
        deadline = time.monotonic() + WAIT_S
        while not self.do(lambda: bool(condition())):
            assert time.monotonic() < deadline, "the server never got there"
            time.sleep(0.005)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        leftovers = asyncio.all_tasks(self.loop)
        for task in leftovers:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))

    async def _start(self) -> None:
        sock = bind_listener("127.0.0.1", 0)
        self.listener = Listener(
            sock,
            app=self.app,
            context=self.context(self.pki.server),
            limits=self._limits,
            loop=self.loop,
            on_event=self.events.append,
        )
        self.port = self.listener.address[1]
        self.listener.start()

    def speak_old_versions(self) -> None:
        """From now on as the listener for old devices: TLS 1.2 as well."""
        context = self.context(self.pki.server, oldest=Oldest.TLS12)
        self.do(lambda: self.listener.swap_context(context))

    @staticmethod
    def context(pair: Pair, *, oldest: Oldest = Oldest.TLS13) -> SSL.Context:
        return build_server_context(pair.chain_pem, pair.key_pem, oldest=oldest)


# Clients.


@contextlib.contextmanager
def plain(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as sock:
        yield sock


@contextlib.contextmanager
def tls(server: Server, **changes: Any) -> Iterator[ssl.SSLSocket]:
    """stdlib client that verifies nothing; ``changes`` are attributes of its context."""
    with plain(server) as sock, secured(sock, **changes) as wrapped:
        yield wrapped


def secured(sock: socket.socket, **changes: Any) -> ssl.SSLSocket:
    """TLS over ``sock``; end of input without close_notify is an error (SSLEOFError)."""
    context = client_context()
    for name, value in changes.items():
        setattr(context, name, value)
    return context.wrap_socket(sock, suppress_ragged_eofs=False)


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def openssl(
    server: Server, pair: Pair | None = None, *, context: SSL.Context | None = None
) -> Iterator[SSL.Connection]:
    """pyOpenSSL client: has the exporter, client chains, and one-sided close_notify."""
    context = context or SSL.Context(SSL.TLS_CLIENT_METHOD)
    if pair is not None:
        context.use_certificate(pair.chain[0])
        context.use_privatekey(pair.key)
        for certificate in pair.chain[1:]:
            context.add_extra_chain_cert(certificate)
    with plain(server) as sock:
        sock.settimeout(None)  # pyOpenSSL works on the descriptor
        connection = SSL.Connection(context, sock)
        connection.set_connect_state()
        connection.do_handshake()
        yield connection


def request(
    path: str = "/echo", body: bytes = b"", *headers: str, method: str = "POST", http: str = "1.1"
) -> bytes:
    lines = [f"{method} {path} HTTP/{http}", "Host: here", *headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        for line in self.head.decode().split("\r\n")[1:]:
            found, _, value = line.partition(": ")
            if found == name:
                return value
        return None


class Reader:
    """Reads answers one by one from anything with ``recv``."""

    def __init__(self, source: ssl.SSLSocket | SSL.Connection | socket.socket) -> None:
        self._source = source
        self._held = bytearray()

    def answer(self, *, head_only: bool = False) -> Answer:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            self._more()
        head = self._take(end + 4)
        assert head.startswith(b"HTTP/1.1 "), "bytes of a body where an answer should begin"
        status = int(head.split(b" ", 2)[1])
        found = Answer(status=status, head=head, body=b"")
        length = 0 if head_only or status < 200 else int(found.header("Content-Length") or "0")
        while len(self._held) < length:
            self._more()
        return replace(found, body=self._take(length))

    def rest(self) -> bytes:
        """Everything up to close_notify."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()
        return bytes(self._held)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _more(self) -> None:
        try:
            data = self._source.recv(65536)
        except SSL.ZeroReturnError as err:
            raise EOFError from err
        if not data:
            raise EOFError
        self._held += data


def ask(server: Server, data: bytes) -> Answer:
    """One request on a connection of its own, which must end with close_notify if told."""
    with tls(server) as client:
        client.sendall(data)
        reader = Reader(client)
        answered = reader.answer()
        if answered.header("Connection") == "close":
            assert reader.rest() == b""
        return answered
