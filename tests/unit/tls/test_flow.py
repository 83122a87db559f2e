"""Back-pressure both ways: slow readers, slow applications, large bodies."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

import pytest

from certctl.tls import EventKind
from certctl.tls.limits import READ_SIZE, WRITE_HIGH_WATER
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import Reader, Server, openssl, plain, request, secured, tls

PART = 65536
STREAM = 64 * 1024 * 1024


def stalled_reader(server: Server, sock: socket.socket, path: str) -> ssl.SSLSocket:
    """A client that asks for much and reads none of it."""
    client = secured(sock)
    client.sendall(request(path))
    server.until(lambda: server.connection().unsent > 0)
    return client


def test_a_reader_that_never_reads_is_cut_and_memory_stays_bounded(serve: Serve) -> None:
    server = serve(write_s=0.3)
    with plain(server) as sock, stalled_reader(server, sock, "/stream") as client:
        most = 0
        while server.counters.open:
            most = max(
                most,
                server.do(lambda: max((c.unsent for c in server.listener._connections), default=0)),
            )
        assert 0 < most <= WRITE_HIGH_WATER + PART + 1024
        server.until(lambda: server.app.seen or server.counters_now().requests_in_flight == 0)
        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            Reader(client).rest()
    assert server.counters.write_timeouts == 1
    assert EventKind.WRITE_TIMEOUT in {e.kind for e in server.events}


def test_a_reader_that_goes_on_in_time_is_not_cut(serve: Serve) -> None:
    server = serve(write_s=1.0)
    with plain(server) as sock, stalled_reader(server, sock, "/lump") as client:
        for _ in range(5):  # longer than the limit in all, with progress in between
            time.sleep(0.4)
            for _ in range(40):
                client.recv(16384)
        assert server.do(lambda: server.connection().unsent) > 0
        assert server.counters.write_timeouts == 0


def test_a_large_answer_arrives_whole(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/stream"))
        answered = Reader(client).answer()
        assert len(answered.body) == STREAM
        assert answered.body.count(b"s") == STREAM
    server.until(lambda: server.app.seen == [("POST", "/stream", STREAM)])


def test_a_large_body_arrives_whole(serve: Serve) -> None:
    server = serve(max_body=8 * 1024 * 1024)
    body = bytes(range(256)) * 4 * 8192
    with tls(server) as client:
        client.settimeout(60)
        client.sendall(request("/echo", body))
        assert Reader(client).answer().body == body


def test_reading_stops_while_the_application_does_not_read(serve: Serve) -> None:
    server = serve(max_body=64 * 1024 * 1024)
    with tls(server) as client:
        client.sendall(request("/hold") + b"POST /echo HTTP/1.1\r\nHost: h\r\n")
        server.until(lambda: server.app.held)
        client.settimeout(0.5)
        # Much has to be there at once, or reading one piece too many would go unseen.
        server.loop.call_soon_threadsafe(time.sleep, 0.2)
        with pytest.raises(TimeoutError):
            client.sendall(b"Content-Length: 50000000\r\n\r\n" + b"b" * 50_000_000)
        held = server.do(lambda: len(server.protocol().cycle.body))
        assert held <= READ_SIZE  # what came with the end of the header
        # Else the loop would spin on a readable socket that nobody reads.
        assert not server.do(lambda: server.connection()._watching_read)
        server.do(server.app.release.set)


def test_many_connections_share_one_loop(server: Server) -> None:
    """A greedy sender does not keep the loop from the others."""
    with tls(server) as greedy:
        greedy.setblocking(False)
        greedy_request = request("/echo", b"g" * 200_000)
        with tls(server) as modest:
            reader = Reader(modest)
            for number in range(20):
                with contextlib.suppress(ssl.SSLWantWriteError):
                    greedy.send(greedy_request)
                modest.sendall(request("/echo", b"%d" % number))
                assert reader.answer().body == b"%d" % number


def test_answer_survives_input_that_nobody_reads(server: Server) -> None:
    """Without draining, the unread bytes would turn close into a reset."""
    with openssl(server) as client:
        client.sendall(request("/early", b"e" * 200_000)[:-100_000])
        for _ in range(5):
            client.sendall(b"e" * 20_000)
        reader = Reader(client)
        assert reader.answer().status == 401
        assert reader.rest() == b""


def test_a_peer_that_never_closes_is_dropped(serve: Serve) -> None:
    server = serve(drain_s=0.2)
    with plain(server) as sock:
        client = secured(sock)
        client.sendall(request("/echo", b"", "Connection: close"))
        assert Reader(client).answer().status == 200
        server.until(lambda: not server.listener.counters.open)
        client.close()


def test_a_peer_that_floods_after_the_end_is_dropped(serve: Serve) -> None:
    server = serve(drain_s=30)
    with tls(server) as client:
        client.sendall(b"bad\r\n\r\n")
        with pytest.raises(OSError):
            client.sendall(b"f" * 65536 * 1000)
    server.until(lambda: not server.listener.counters.open)
