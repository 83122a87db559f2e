"""Requests that HTTP itself refuses: form, size, time."""

from __future__ import annotations

import pytest

from certctl.tls import EventKind
from certctl.tls.refusals import REFUSALS, Refusal, refusal_answer
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import Reader, Server, ask, openssl, request, tls

POST = b"POST /echo HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

ID = "0123456789abcdef"

MALFORMED = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
    "no version": b"GET /echo\r\n\r\n",
    "version 0.9": b"GET /echo HTTP/0.9\r\nHost: h\r\n\r\n",
    "version 2.0": b"GET /echo HTTP/2.0\r\nHost: h\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
    "high octet in the target": b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "connect": b"CONNECT a.example:443 HTTP/1.1\r\nHost: h\r\n\r\n\x16\x03\x01",
    "upgrade with body": POST
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "length and chunked": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "doubled length": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "listed length": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "empty length": POST + b"Content-Length: \r\n\r\n",
    "overflowing length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "other coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding before chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size no number": CHUNKED + b"zz\r\n",
    "chunk size negative": CHUNKED + b"-1\r\n",
    "chunk size overflow": CHUNKED + b"F" * 20 + b"\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests_get_400(server: Server, data: bytes) -> None:
    answered = ask(server, data)
    assert answered.status == 400
    assert answered.header("Connection") == "close"
    assert answered.header("Content-Type") == "text/plain; charset=utf-8"
    assert len(answered.body.decode("ascii").splitlines()) == 4
    assert server.counters.rejected == {400: 1}
    (event,) = server.events
    assert (event.kind, event.status, event.client) == (EventKind.REJECTED, 400, "127.0.0.1")
    assert answered.header("X-Request-Id") == event.request_id
    assert answered.body.endswith(f"request-id: {event.request_id}\n".encode())
    assert server.app.seen in ([], [("POST", "/echo", 0)])  # begun, and cut off from its body


@pytest.mark.parametrize("cut", range(1, 84, 3))
def test_a_request_cut_anywhere_gets_400(server: Server, cut: int) -> None:
    whole = request("/echo", b"0123456789" * 3)
    assert len(whole) == 85
    with openssl(server) as client:
        client.sendall(whole[:cut])
        client.shutdown()
        reader = Reader(client)
        assert reader.answer().status == 400
        assert reader.rest() == b""
    assert [e.reason for e in server.events] == ["truncated"]


def test_a_length_that_promises_too_little_is_the_next_request(server: Server) -> None:
    with tls(server) as client:
        client.sendall(POST + b"Content-Length: 2\r\n\r\nabGARBAGE\r\n\r\n")
        reader = Reader(client)
        assert reader.answer().body == b"ab"
        assert reader.answer().status == 400
        assert reader.rest() == b""


def test_a_refusal_waits_for_the_answers_before_it(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/hold") + request("/echo", b"two") + b"garbage\r\n\r\n")
        server.until(lambda: server.app.held)
        server.do(server.app.release.set)
        reader = Reader(client)
        assert [reader.answer().status for _ in range(3)] == [200, 200, 400]
        assert reader.rest() == b""


def test_a_broken_body_behind_another_request_is_refused_in_turn(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/hold") + CHUNKED + b"zz\r\n")
        server.until(lambda: server.app.held)
        server.do(server.app.release.set)
        reader = Reader(client)
        assert [reader.answer().status for _ in range(2)] == [200, 400]
        assert reader.rest() == b""
    assert server.app.seen == [("POST", "/hold", 0)]


def test_pipeline_is_bounded(server: Server) -> None:
    with tls(server) as client:
        client.sendall(request("/hold") + request("/echo", b"") * 100)
        server.until(lambda: server.counters_now().rejected)
        server.do(server.app.release.set)
        reader = Reader(client)
        statuses = [reader.answer().status for _ in range(66)]
        assert statuses == [200] * 65 + [400]
        assert reader.rest() == b""


# Size.


def test_target_limit(server: Server) -> None:
    assert ask(server, request("/" + "u" * 2047, method="GET")).status == 200
    assert ask(server, request("/" + "u" * 2048, method="GET")).status == 414
    assert ask(server, request("/" + "u" * 100_000, method="GET")).status == 414


def test_header_line_limit(server: Server) -> None:
    lines = [f"X-{n}: v" for n in range(99)]
    assert ask(server, request("/echo", b"", *lines, method="GET")).status == 200
    assert ask(server, request("/echo", b"", *lines, "X: v", method="GET")).status == 431


def test_head_size_limit(server: Server) -> None:
    line = "X: " + "h" * 3000
    assert ask(server, request("/echo", b"", *[line] * 5, method="GET")).status == 200
    assert ask(server, request("/echo", b"", *[line] * 6, method="GET")).status == 431


@pytest.mark.parametrize("start", [b"X: ", b"", b"X: y\r\n" * 50 + b"Z: "])
def test_endless_header_is_stopped_before_its_line_ends(server: Server, start: bytes) -> None:
    assert ask(server, POST + start + b"a" * 100_000).status == 431


def test_body_limit_by_length_before_continue(server: Server) -> None:
    data = POST + b"Content-Length: 262145\r\nExpect: 100-continue\r\n\r\n"
    assert ask(server, data).status == 413
    assert server.app.seen == []


def test_body_limit_while_reading_chunks(server: Server) -> None:
    chunk = b"10000\r\n" + b"c" * 65536 + b"\r\n"
    assert ask(server, CHUNKED + chunk * 4 + b"0\r\n\r\n").body == b"c" * 262144
    assert ask(server, CHUNKED + chunk * 4 + b"1\r\nc\r\n0\r\n\r\n").status == 413
    server.until(lambda: server.app.disconnects)


def test_413_reaches_a_client_that_still_sends(server: Server) -> None:
    with tls(server) as client:
        client.sendall(POST + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(100):
            client.sendall(b"b" * 10_000)  # a reset would end this or the answer
        reader = Reader(client)
        assert reader.answer().status == 413
        assert reader.rest() == b""


BOMBS = {
    "leading zeros": b"0" * 200_000 + b"1\r\nc\r\n",
    "endless extension": b"1;" + b"e" * 200_000,
    "many extensions": b"1;a=b\r\nc\r\n" * 20_000,
    "tiny chunks": b"1\r\nc\r\n" * 40_000,
    "endless trailer": b"0\r\nX: " + b"t" * 200_000,
    "many trailers": b"0\r\n" + b"X: t\r\n" * 40_000,
    "endless size": b"1" * 200_000,
    "huge chunk announced": b"FFFFFFFFFFFFFFFF\r\n" + b"c" * 300_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_chunk_bombs_meet_a_limit(server: Server, bomb: bytes) -> None:
    assert ask(server, CHUNKED + bomb).status in (400, 413)
    server.until(lambda: server.app.disconnects == 1)


def test_small_chunks_of_an_honest_body_pass(server: Server) -> None:
    line = b"41\r\n" + b"b" * 64 + b"\n\r\n"
    assert len(ask(server, CHUNKED + line * 1000 + b"0\r\n\r\n").body) == 65_000


# Time.


@pytest.mark.parametrize("part", [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n"])
def test_stalled_header_gets_408(serve: Serve, part: bytes) -> None:
    server = serve(header_s=0.2)
    assert ask(server, part).status == 408


def test_dripping_header_does_not_win_time(serve: Serve) -> None:
    server = serve(header_s=0.3)
    with tls(server) as client:
        reader = Reader(client)
        client.sendall(b"GET / HTTP/1.1\r\n")
        client.settimeout(0.02)
        try:
            while True:
                client.sendall(b"X: y\r\n")
                try:
                    assert reader.answer().status == 408
                    break
                except TimeoutError:
                    continue
        finally:
            client.settimeout(None)


def test_stalled_body_gets_408(serve: Serve) -> None:
    server = serve(body_s=0.2)
    assert ask(server, request("/echo", b"12345")[:-1]).status == 408
    server.until(lambda: server.app.disconnects)
    assert [e.reason for e in server.events] == ["body_timeout"]


@pytest.mark.parametrize("noise", [b"", b"\r\n\r\n"])
def test_idle_connection_is_closed_without_an_answer(serve: Serve, noise: bytes) -> None:
    server = serve(idle_s=0.2)
    with tls(server) as client:
        if noise:
            client.sendall(noise)
        assert Reader(client).rest() == b""
    assert server.counters.rejected == {}


def test_kept_connection_is_closed_when_idle(serve: Serve) -> None:
    server = serve(idle_s=0.2)
    with tls(server) as client:
        client.sendall(request("/echo", b"1"))
        reader = Reader(client)
        assert reader.answer().body == b"1"
        assert reader.rest() == b""


@pytest.mark.parametrize("waiting", [b"", request("/echo", b"next")])
def test_a_slow_application_is_not_the_peers_fault(serve: Serve, waiting: bytes) -> None:
    server = serve(idle_s=0.1, header_s=0.1, body_s=0.1)
    with tls(server) as client:
        client.sendall(request("/hold", b"x") + waiting)
        server.until(lambda: server.app.held)
        with tls(server) as other:  # outlives all three limits
            assert Reader(other).rest() == b""
        server.do(server.app.release.set)
        reader = Reader(client)
        assert reader.answer().body == b"held\n"
        if waiting:
            assert reader.answer().body == b"next"


def test_every_refusal_is_a_whole_answer() -> None:
    for refusal in Refusal:
        status, *lines = REFUSALS[refusal]
        text = refusal_answer(refusal, ID)
        head, _, body = text.partition(b"\r\n\r\n")
        assert text.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nContent-Length: %d\r\n" % len(body) in head
        assert f"\r\nX-Request-Id: {ID}\r\n".encode() in head
        assert body.decode().splitlines() == [*lines, f"request-id: {ID}"]
        assert len(lines) == 3
