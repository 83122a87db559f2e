"""The listener: caps, exhaustion, counters, sharing a port, ending well."""

from __future__ import annotations

import gc
import resource
import socket
import threading
import weakref

import pytest

from certctl.tls import EventKind, Listener, Places, bind_listener
from certctl.tls.listener import KERNEL_UNSENT, source_key
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import WAIT_S, Reader, Server, ask, openssl, plain, request, secured, tls


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
        ("2001:db8:1:2::1", "20010db800010002"),
        ("2001:db8:1:3::1", "20010db800010003"),
        ("fe80::1%eth0", "fe80000000000000"),
        ("::1", "0000000000000000"),
    ],
)
def test_a_source_is_an_address_or_a_slash_64(address: str, key: str) -> None:
    assert source_key(address) == key


def test_cap_per_source(serve: Serve) -> None:
    server = serve(max_connections_per_source=2)
    with tls(server) as first, tls(server):
        with plain(server) as third:
            assert third.recv(1) == b""
        first.sendall(request("/echo", b"still"))
        assert Reader(first).answer().body == b"still"
    server.until(lambda: not server.listener.counters.open)
    assert ask(server, request()).status == 200
    counters = server.counters
    assert (counters.refused_source, counters.refused_total) == (1, 0)
    assert [e.kind for e in server.events] == [EventKind.REFUSED_SOURCE]


def test_other_sources_are_not_meant_by_the_cap(serve: Serve) -> None:
    server = serve(max_connections_per_source=1)
    with tls(server):
        from_elsewhere = ("127.0.0.2", 0)
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address, source_address=from_elsewhere) as sock:
            server.until(lambda: server.listener.counters.open == 2)
            sock.close()


def test_cap_in_all(serve: Serve) -> None:
    server = serve(max_connections=1)
    with tls(server), plain(server) as second:
        assert second.recv(1) == b""
    assert server.counters.refused_total == 1


@pytest.mark.parametrize("cap", ["max_connections", "max_connections_per_source"])
def test_two_listeners_share_their_places(serve: Serve, cap: str) -> None:
    server = serve(**{cap: 1})
    limits = server.listener.limits
    places = Places(limits)

    async def listen() -> Listener:
        listener = Listener(
            bind_listener("127.0.0.1", 0),
            app=server.app,
            context=server.context(server.pki.server),
            limits=limits,
            loop=server.loop,
            places=places,
        )
        listener.start()
        return listener

    one, other = server.call(listen), server.call(listen)
    try:
        with socket.create_connection(one.address):
            server.until(lambda: one.counters.open)
            with socket.create_connection(other.address, timeout=WAIT_S) as refused:
                assert refused.recv(1) == b""
        server.until(lambda: not one.counters.open)
        with socket.create_connection(other.address):
            server.until(lambda: other.counters.open)
    finally:
        server.call(lambda: one.close(0.2))
        server.call(lambda: other.close(0.2))
    assert other.counters.refused_total + other.counters.refused_source == 1


def test_running_out_of_descriptors_is_survived(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with tls(server) as before:
        reader = Reader(before)
        waiting = socket.socket()
        probe = socket.socket()
        lowest = probe.fileno()
        probe.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            waiting.connect(("127.0.0.1", server.port))
            server.until(lambda: server.events)
            before.sendall(request("/echo", b"alive"))
            assert reader.answer().body == b"alive"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with waiting:
            server.until(lambda: server.listener.counters.open == 2)
    assert {(e.kind, e.reason) for e in server.events[:1]} == {(EventKind.ACCEPT_PAUSED, "EMFILE")}


def test_counters_add_up(server: Server) -> None:
    with tls(server) as client:
        reader = Reader(client)
        client.sendall(request("/echo", b"1"))
        reader.answer()
        now = server.counters
        assert (now.open, now.handshakes_ok, now.handshakes_failed) == (1, 1, 0)
        client.sendall(b"bad\r\n\r\n")
        assert reader.answer().status == 400
        assert reader.rest() == b""
    server.until(lambda: not server.listener.counters.open)
    now = server.counters
    assert (now.requests, dict(now.rejected), now.requests_in_flight) == (1, {400: 1}, 0)


def test_nothing_waits_for_the_garbage_collector(server: Server) -> None:
    """A server collects seldom; what a connection held must go with it."""
    gc.disable()
    try:
        with tls(server) as client:
            client.sendall(request("/echo", b"1"))
            Reader(client).answer()
            kept = server.do(lambda: weakref.ref(server.protocol()))
        server.until(lambda: not server.listener.counters.open)
        server.until(lambda: kept() is None)
    finally:
        gc.enable()


def test_the_kernel_holds_little_of_what_a_peer_does_not_read(server: Server) -> None:
    with plain(server):
        server.until(lambda: server.listener.counters.open)
        sock = server.do(lambda: server.connection()._sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == KERNEL_UNSENT


def test_two_listeners_share_a_port() -> None:
    with bind_listener("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind_listener("127.0.0.1", port) as second:
            assert second.getsockname() == first.getsockname()


def test_a_taken_address_is_an_error_without_leftovers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError):
        bind_listener("127.0.0.1", other.getsockname()[1])


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize(("host", "takes_ipv4"), [("::1", False), ("::", True)])
def test_ipv6(host: str, *, takes_ipv4: bool) -> None:
    try:
        sock = bind_listener(host, 0)
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    with sock:
        port = sock.getsockname()[1]
        with socket.create_connection(("::1", port)):
            pass
        if takes_ipv4:
            with socket.create_connection(("127.0.0.1", port)):
                pass
        else:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()


# Ending.


def closing(server: Server, grace_s: float) -> threading.Thread:
    thread = threading.Thread(target=server.close, args=(grace_s,))
    thread.start()
    server.until(lambda: server.listener._closing)
    return thread


def test_close_finishes_the_request_in_flight(server: Server) -> None:
    with tls(server) as busy, tls(server) as idle:
        busy.sendall(request("/hold"))
        server.until(lambda: server.app.held)
        thread = closing(server, WAIT_S)
        assert Reader(idle).rest() == b""  # at once, with close_notify
        assert thread.is_alive()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port)).close()
        server.do(server.app.release.set)
        reader = Reader(busy)
        answered = reader.answer()
        assert (answered.body, answered.header("Connection")) == (b"held\n", "close")
        assert reader.rest() == b""
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_close_finishes_a_request_half_sent(server: Server) -> None:
    whole = request("/echo", b"12345")
    with tls(server) as client:
        client.sendall(whole[:-3])
        server.until(lambda: server.listener.counters.requests_in_flight)
        thread = closing(server, WAIT_S)
        client.sendall(whole[-3:])
        reader = Reader(client)
        answered = reader.answer()
        assert (answered.body, answered.header("Connection")) == (b"12345", "close")
        assert reader.rest() == b""
    thread.join(WAIT_S)


def test_close_answers_everything_pipelined(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/hold") + request("/echo", b"two"))
        server.until(lambda: server.app.held)
        thread = closing(server, WAIT_S)
        server.do(server.app.release.set)
        reader = Reader(client)
        assert reader.answer().body == b"held\n"
        answered = reader.answer()
        assert (answered.body, answered.header("Connection")) == (b"two", "close")
        assert reader.rest() == b""
    thread.join(WAIT_S)


def test_close_lets_a_handshake_become_one_request(server: Server) -> None:
    with plain(server) as sock:
        server.until(lambda: server.listener.counters.open)
        thread = closing(server, WAIT_S)
        with secured(sock) as client:
            client.sendall(request("/echo", b"late"))
            reader = Reader(client)
            answered = reader.answer()
            assert (answered.body, answered.header("Connection")) == (b"late", "close")
            assert reader.rest() == b""
    thread.join(WAIT_S)


def test_close_aborts_what_outlives_the_grace(server: Server) -> None:
    with openssl(server) as client, plain(server) as stalled:
        client.sendall(request("/wait-gone"))
        server.until(lambda: server.app.held)
        server.close(0.1)
        assert server.counters.open == 0
        server.until(server.app.cut.is_set)
        stalled.settimeout(WAIT_S)
        with pytest.raises(ConnectionResetError):
            stalled.recv(1)


def test_close_does_not_wait_for_clients_that_keep_their_end_open(serve: Serve) -> None:
    server = serve(drain_s=3600)
    with plain(server) as sock:
        client = secured(sock)
        client.sendall(request("/echo", b"1"))
        assert Reader(client).answer().body == b"1"
        server.close(3600)  # the rig gives up long before
        client.close()


def test_close_twice_is_harmless(server: Server) -> None:
    server.close(0.1)
    server.close(0.1)
