"""Handshakes: what the application learns of the peer, and those that never end."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl

import pytest
from OpenSSL import SSL

from certctl.tls import EventKind
from certctl.tls.library import handle, lib
from tests.harness.resetting import reset_on_close
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import (
    Pki,
    Reader,
    Server,
    ask,
    client_context,
    openssl,
    plain,
    request,
    tls,
)

LABEL = b"EXPORTER-Channel-Binding"


def facts(client: SSL.Connection) -> dict[str, object]:
    client.sendall(request("/scope"))
    found: dict[str, object] = json.loads(Reader(client).answer().body)
    return found


def test_exporter_is_equal_on_both_ends(server: Server) -> None:
    seen = set()
    for _ in range(2):
        with openssl(server) as client:
            found = facts(client)
            assert found["version"] == "TLSv1.3"
            assert found["exporter"] == client.export_keying_material(LABEL, 32, b"").hex()
            seen.add(found["exporter"])
    assert len(seen) == 2


def test_tls_info_is_made_once_per_connection(server: Server) -> None:
    with openssl(server) as client:
        assert facts(client)["id"] == facts(client)["id"]


def test_scope_tells_addresses_and_scheme(server: Server) -> None:
    with openssl(server) as client:
        found = facts(client)
    assert found["client"] == "127.0.0.1"
    assert found["server"] == ["127.0.0.1", server.port]
    assert found["scheme"] == "https"


def test_no_certificate_is_an_empty_chain(server: Server) -> None:
    with openssl(server) as client:
        assert facts(client)["chain"] == []


@pytest.mark.parametrize("which", ["device", "expired"])
def test_untrusted_and_expired_certificates_arrive_with_their_chain(
    server: Server, pki: Pki, which: str
) -> None:
    pair = getattr(pki, which)
    assert len(pair.chain) == 3
    with openssl(server, pair) as client:
        assert facts(client)["chain"] == pair.chain_der


def test_reload_serves_the_new_pair_and_keeps_old_connections(server: Server, pki: Pki) -> None:
    with tls(server) as old:
        reader = Reader(old)
        old.sendall(request("/echo", b"1"))
        assert reader.answer().body == b"1"
        fresh = server.context(pki.next_server)
        server.do(lambda: server.listener.swap_context(fresh))
        with openssl(server) as new:
            assert new.get_peer_certificate(as_cryptography=True) == pki.next_server.chain[0]
            new.sendall(request("/echo", b"2"))
            assert Reader(new).answer().body == b"2"
        old.sendall(request("/echo", b"3"))
        assert reader.answer().body == b"3"


def test_stalled_handshakes_are_closed_and_others_served(serve: Serve) -> None:
    server = serve(handshake_s=0.3)
    stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    try:
        for sock in stalled[::2]:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # the start of a ClientHello
        assert ask(server, request("/echo", b"good")).body == b"good"
        for sock in stalled:
            sock.settimeout(10)
            assert sock.recv(1) == b""
    finally:
        for sock in stalled:
            sock.close()
    server.until(lambda: not server.listener.counters.open)
    assert server.counters.handshakes_failed == 40
    assert {e.reason for e in server.events} == {"timeout"}


def test_plain_http_ends_cleanly(server: Server) -> None:
    with plain(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + b"x" * 100_000)
        # Orderly: an alert or nothing, then the end. A reset would raise here.
        while client.recv(4096):
            pass
    server.until(lambda: not server.listener.counters.open)
    (event,) = server.events
    assert (event.kind, event.reason) == (EventKind.HANDSHAKE_FAILED, "http request")


def test_garbage_gets_an_alert(server: Server) -> None:
    with plain(server) as client:
        client.sendall(b"\x16\x03\x01\x00\x05hello")
        assert client.recv(1) == b"\x15"  # record type alert
    server.until(lambda: not server.listener.counters.open)


@pytest.mark.parametrize("reset", [False, True])
def test_a_port_scan_leaves_nothing_behind(server: Server, *, reset: bool) -> None:
    with plain(server) as client:
        server.until(lambda: server.listener.counters.open)
        if reset:
            reset_on_close(client)
    server.until(lambda: not server.listener.counters.open)
    assert server.counters.handshakes_failed == 1
    assert [e.reason for e in server.events] == ["ECONNRESET" if reset else "closed by peer"]


def test_broken_record_after_the_handshake_ends_the_connection(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/wait-gone"))
        server.until(lambda: server.app.held)
        raw = socket.socket(fileno=socket.dup(client.fileno()))
        with raw:
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)
        server.until(server.app.cut.is_set)
    server.until(lambda: not server.listener.counters.open)


def leave_an_error() -> None:
    """Other users of OpenSSL in this thread may leave one behind."""
    assert lib.SSL_CTX_set_cipher_list(handle(SSL.Context(SSL.TLS_METHOD)), b"no-such-suite") != 1
    assert lib.ERR_peek_error()


def test_errors_of_others_are_not_taken_for_its_own(server: Server) -> None:
    """A record that is only half there is no broken one, as it would be before OpenSSL 4."""
    context = client_context()
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(coming, going)
    with plain(server) as sock:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(going.read())
                coming.write(sock.recv(65536))
        sock.sendall(going.read())
        server.until(lambda: server.counters_now().handshakes_ok)
        client.write(request("/echo", b"whole"))
        record = going.read()
        for part in (record[:9], record[9:]):

            def both(part: bytes = part) -> None:
                leave_an_error()
                sock.sendall(part)

            server.do(both)
            server.do(lambda: None)
        answer = b""
        while b"whole" not in answer:
            data = sock.recv(65536)
            assert data, "the server ended the connection"
            coming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += client.read()
