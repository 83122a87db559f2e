"""The listener without TLS: the same limits and ends as the one with."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from certctl.tls import EventKind, Listener, bind_listener
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import Pki, Reader, Server, plain, request


class PlainServer(Server):
    async def _start(self) -> None:
        self.listener = Listener(
            bind_listener("127.0.0.1", 0),
            app=self.app,
            context=None,
            limits=self._limits,
            loop=self.loop,
            on_event=self.events.append,
        )
        self.port = self.listener.address[1]
        self.listener.start()


@pytest.fixture(params=["asyncio", "uvloop"])
def serve_plain(request: pytest.FixtureRequest, pki: Pki) -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(**limits: object) -> Server:
            return stack.enter_context(PlainServer(pki, request.param, **limits))

        yield start


def test_requests_are_answered_one_after_the_other(serve_plain: Serve):
    server = serve_plain()
    with plain(server) as sock:
        reader = Reader(sock)
        for body in (b"", b"one", b"x" * 100_000):
            sock.sendall(request(body=body))
            assert reader.answer().body == body
        sock.sendall(request(body=b"a") + request(body=b"b"))
        assert [reader.answer().body for _ in range(2)] == [b"a", b"b"]


def test_a_large_answer_arrives_whole(serve_plain: Serve):
    server = serve_plain()
    with plain(server) as sock:
        sock.sendall(request("/stream"))
        assert len(Reader(sock).answer().body) == 64 * 1024 * 1024


def test_who_sends_nothing_is_ended(serve_plain: Serve):
    server = serve_plain(idle_s=0.2)
    with plain(server) as sock:
        assert sock.recv(1) == b""
    assert server.events == []


def test_who_reads_nothing_is_cut(serve_plain: Serve):
    server = serve_plain(write_s=0.3)
    with plain(server) as sock:
        sock.sendall(request("/stream"))
        server.until(lambda: server.counters_now().write_timeouts == 1)
        with pytest.raises(ConnectionResetError):
            Reader(sock).rest()
    assert EventKind.WRITE_TIMEOUT in {each.kind for each in server.events}


def test_who_half_closes_gets_the_answer(serve_plain: Serve):
    server = serve_plain()
    with plain(server) as sock:
        sock.sendall(request(body=b"last words"))
        sock.shutdown(socket.SHUT_WR)
        reader = Reader(sock)
        assert reader.answer().body == b"last words"
        assert reader.rest() == b""
    server.until(lambda: server.counters_now().open == 0)


def test_a_reset_leaves_nothing_behind(serve_plain: Serve):
    server = serve_plain()
    with plain(server) as sock:
        sock.sendall(request("/stream"))
        server.until(lambda: server.connection().unsent > 0)
    server.until(lambda: server.counters_now().open == 0)
    server.until(lambda: server.counters_now().requests_in_flight == 0)


def test_connections_in_all_are_bounded(serve_plain: Serve):
    server = serve_plain(max_connections=1)
    with plain(server):
        server.until(lambda: server.counters_now().open == 1)
        with plain(server) as second:
            assert second.recv(1) == b""


def test_garbage_is_answered_as_such(serve_plain: Serve):
    server = serve_plain()
    with plain(server) as sock:
        sock.sendall(b"\x16\x03\x01\x00\x05hello\r\n\r\n")
        assert Reader(sock).answer().status == 400
