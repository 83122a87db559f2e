"""What is written on the wire: names, framing, keep-alive, faults of the application."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

import pytest

from certctl.tls import HttpProtocol
from certctl.tls.cycle import Served
from certctl.tls.deadline import Alarms
from tests.harness.resetting import reset_on_close
from tests.unit.tls.rig import QUICK, App, Reader, Server, ask, openssl, request, tls


@pytest.mark.parametrize(
    "path", ["no-length", "chunked", "too-long", "split", "no-answer", "crash"]
)
def test_a_faulty_answer_becomes_500(server: Server, path: str) -> None:
    answered = ask(server, request(f"/{path}"))
    assert answered.status == 500
    assert answered.header("Connection") == "close"
    (event,) = server.events
    assert (event.reason, event.status) == ("application_failed", 500)
    assert answered.header("X-Request-Id") == event.request_id
    assert answered.body.decode().splitlines()[3] == f"request-id: {event.request_id}"
    assert b"planted" not in answered.body
    assert b"Evil" not in answered.head
    (fault,) = server.faults()
    assert fault["request_id"] == event.request_id
    assert fault["exception"].__traceback__ is not None


def test_an_answer_broken_off_is_cut_not_completed(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/breaks-off"))
        assert Reader(client).rest().endswith(b"\r\n\r\n12345")
    (fault,) = server.faults()
    assert str(fault["exception"]) == "no whole answer"


def test_header_bytes_are_exactly_those_of_the_application(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/echo", b"abc"))
        assert Reader(client).answer().head == (
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: text/plain\r\n"
            b"WWW-Authenticate: Basic\r\n"
            b'ETag: "1"\r\n'
            b"Content-Length: 3\r\n"
            b"\r\n"
        )


def test_the_first_record_holds_header_and_body(server: Server) -> None:
    with openssl(server) as client:
        client.sendall(request("/echo", b"b" * 3000))
        # One call returns at most one TLS record.
        record = client.recv(65536)
    assert record.startswith(b"HTTP/1.1 200 OK\r\n")
    assert record.endswith(b"\r\n\r\n" + b"b" * 3000)


def test_a_last_answer_travels_with_the_end_in_one_packet(server: Server) -> None:
    with tls(server) as client:
        reader = Reader(client)
        client.sendall(request("/echo", b"1"))
        assert reader.answer().body == b"1"
        before = data_segments(client)
        client.sendall(request("/echo", b"b" * 1000, "Connection: close"))
        assert reader.answer().body == b"b" * 1000
        assert reader.rest() == b""
        assert data_segments(client) == before + 1


def data_segments(client: socket.socket) -> int:
    """Packets with data that have come in: ``tcpi_data_segs_in``."""
    told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("=I", told, 152)[0])


def test_connection_stays_open_until_told_otherwise(server: Server) -> None:
    with tls(server) as client:
        reader = Reader(client)
        for number in range(3):
            client.sendall(request("/echo", b"%d" % number))
            assert reader.answer().body == b"%d" % number
        client.sendall(request("/echo", b"end", "Connection: close"))
        answered = reader.answer()
        assert answered.body == b"end"
        assert answered.head.endswith(b"\r\nConnection: close\r\n\r\n")
        assert reader.rest() == b""  # close_notify, else SSLEOFError


def test_no_request_after_a_close_is_run(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/echo", b"one", "Connection: close") + request("/echo", b"two"))
        reader = Reader(client)
        assert reader.answer().body == b"one"
        assert reader.rest() == b""
    server.until(lambda: server.app.seen)
    assert server.app.seen == [("POST", "/echo", 3)]


@pytest.mark.parametrize(("header", "http"), [("close", "1.1"), ("keep-alive", "1.0")])
def test_bytes_after_the_last_request_are_not_judged(
    server: Server, header: str, http: str
) -> None:
    with tls(server) as client:
        last = request("/hold", b"", f"Connection: {header}", http=http)
        client.sendall(last + b"garbage\r\n\r\n")
        server.until(lambda: server.app.held)
        server.do(server.app.release.set)
        reader = Reader(client)
        assert reader.answer().status == 200
        assert reader.rest() == b""
    assert server.counters.rejected == {}


def test_head_has_the_length_and_no_body(server: Server) -> None:
    with tls(server) as client:
        reader = Reader(client)
        client.sendall(request("/early", method="HEAD"))
        answered = reader.answer(head_only=True)
        assert (answered.status, answered.header("Content-Length")) == (401, "3")
        client.sendall(request("/echo", b"next"))
        assert reader.answer().body == b"next"


def test_no_content_has_neither_length_nor_body(server: Server) -> None:
    with tls(server) as client:
        reader = Reader(client)
        client.sendall(request("/empty"))
        assert reader.answer().head == b"HTTP/1.1 204 No Content\r\n\r\n"
        client.sendall(request("/echo", b"next"))
        assert reader.answer().body == b"next"


@pytest.mark.parametrize("header", [(), ("Connection: keep-alive",)])
def test_http_1_0_is_answered_in_1_1_and_closed(server: Server, header: tuple[str, ...]) -> None:
    with tls(server) as client:
        client.sendall(request("/echo", b"old", *header, http="1.0"))
        reader = Reader(client)
        answered = reader.answer()
        assert answered.head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (answered.body, answered.header("Connection")) == (b"old", "close")
        assert reader.rest() == b""


def test_http_1_0_needs_no_host(server: Server) -> None:
    assert ask(server, b"GET /echo HTTP/1.0\r\n\r\n").status == 200


def test_three_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/hold") + request("/echo", b"two") + request("/echo", b"three"))
        server.until(lambda: server.app.held)
        assert server.app.seen == []
        server.do(server.app.release.set)
        reader = Reader(client)
        assert [reader.answer().body for _ in range(3)] == [b"held\n", b"two", b"three"]
        client.sendall(request("/echo", b"four"))
        assert reader.answer().body == b"four"


def test_a_pipelined_body_in_pieces_is_read_when_its_turn_comes(server: Server) -> None:
    body = b"p" * 100_000
    with tls(server) as client:
        whole = request("/hold") + request("/echo", body)
        client.sendall(whole[:200])
        server.until(lambda: server.app.held)
        client.sendall(whole[200:])
        server.do(server.app.release.set)
        reader = Reader(client)
        assert [reader.answer().body for _ in range(2)] == [b"held\n", body]


def test_answers_before_the_body_is_read_close(server: Server) -> None:
    with tls(server) as client:
        head = request("/early", b"x" * 1000)[:-1000]
        client.sendall(head)
        reader = Reader(client)
        answered = reader.answer()
        assert (answered.status, answered.header("Connection")) == (401, "close")
        assert reader.rest() == b""


def test_100_continue_is_sent_when_the_application_reads(server: Server) -> None:
    with tls(server) as client:
        whole = request("/echo", b"later", "Expect: 100-continue")
        client.sendall(whole[:-5])
        reader = Reader(client)
        assert reader.answer().head == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(whole[-5:])
        assert reader.answer().body == b"later"


def test_100_continue_is_left_out_when_the_body_is_there(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/echo", b"now", "Expect: 100-continue"))
        assert Reader(client).answer().status == 200


def test_a_refusal_needs_no_continue(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/early", b"12345", "Expect: 100-continue")[:-5])
        assert Reader(client).answer().status == 401


def test_half_closed_client_gets_its_answer(server: Server) -> None:
    with openssl(server) as client:
        client.sendall(request("/hold"))
        client.shutdown()  # close_notify only
        server.until(lambda: server.app.held)
        server.until(lambda: server.protocol().last)
        server.do(server.app.release.set)
        reader = Reader(client)
        answered = reader.answer()
        assert (answered.body, answered.header("Connection")) == (b"held\n", "close")
        assert reader.rest() == b""


def test_trailers_do_not_become_headers(server: Server) -> None:
    chunked = (
        b"POST /late HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nAuthorization: Basic x\r\n\r\n"
    )
    assert ask(server, chunked).body == b"host,transfer-encoding"


def test_absolute_target_is_read_like_a_path(server: Server) -> None:
    answered = ask(server, request("https://here/scope?a=b%20c", method="GET"))
    assert b'"path": "/scope", "query": "a=b%20c"' in answered.body


def test_upgrade_is_ignored_and_ends_the_connection(server: Server) -> None:
    answered = ask(
        server, request("/echo", b"", "Connection: Upgrade", "Upgrade: websocket", method="GET")
    )
    assert (answered.status, answered.header("Connection")) == (200, "close")


def test_application_hears_of_a_peer_that_left(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/wait-gone"))
        server.until(lambda: server.app.held)
        # A reset, not an orderly end: nobody can read an answer any more.
        reset_on_close(client)
    server.until(server.app.cut.is_set)


def test_the_same_protocol_serves_plain_tcp() -> None:
    async def main() -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        app, served = App(), Served()
        alarms = Alarms(loop)
        listening = await loop.create_server(
            lambda: HttpProtocol(app, served, alarms=alarms, limits=QUICK, random=os.urandom),
            "127.0.0.1",
            0,
        )
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("/echo", b"p-l-a-i-n") + b"garbage\r\n\r\n")
            good = await reader.readuntil(b"p-l-a-i-n")
            bad = await reader.read()
            writer.close()
            await writer.wait_closed()
        return good, bad

    good, bad = asyncio.run(main())
    assert good.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    assert bad.startswith(b"HTTP/1.1 400 Bad Request\r\n")
