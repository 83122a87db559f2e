"""Lengths that lie, chunks that never end, headers without end, requests inside requests."""

from __future__ import annotations

import pytest

from certctl.domain.audit import AuditAction, Counter
from tests.harness.http import basic, fetch
from tests.harness.raw import RawClient, chunked, head, post
from tests.harness.records import Ledger, refused, untouched
from tests.harness.server import RunningServer
from tests.security.enrollment import (
    CACERTS,
    ENROLL,
    GoodClient,
    assert_logged,
    assert_logged_as,
    assert_refused,
    assert_refused_by_http,
    edge_lines,
)
from tests.unit.wire import forge

CHUNKED = "Transfer-Encoding: chunked"
BODY = forge.request(subject=forge.name((forge.CN, "framed")))
LIMIT = 64 * 1024


def lengths(*values: str) -> list[str]:
    return [f"Content-Length: {value}" for value in values]


MALFORMED = {
    "Content-Length and chunked": ([*lengths(str(len(BODY))), CHUNKED], BODY),
    "chunked and Content-Length": ([CHUNKED, *lengths("5")], chunked(BODY)),
    "two different lengths": (lengths("5", str(len(BODY))), BODY),
    "two lengths in one line": (lengths(f"5, {len(BODY)}"), BODY),
    "negative length": (lengths("-1"), BODY),
    "length with a sign": (lengths(f"+{len(BODY)}"), BODY),
    "hexadecimal length": (lengths(hex(len(BODY))), BODY),
    "length that is no number": (lengths("many"), BODY),
    "empty length": (lengths(""), BODY),
    "length beyond 64 bits": (lengths("9" * 30), BODY),
    "chunked twice": ([CHUNKED, CHUNKED], chunked(BODY)),
    "chunked, gzip": (["Transfer-Encoding: chunked, gzip"], chunked(BODY)),
    "gzip, chunked": (["Transfer-Encoding: gzip, chunked"], chunked(BODY)),
    "misspelt chunked": (["Transfer-Encoding: xchunked"], chunked(BODY)),
    "identity": (["Transfer-Encoding: identity", *lengths(str(len(BODY)))], BODY),
    "blank before the colon": (["Content-Length : 5"], b"hello"),
    "folded header": (["X-Long: a\r\n b"], b""),
    "bare line feed in a value": (["X-Evil: a\nContent-Length: 5"], b"hello"),
    "nul in a value": (["X-Evil: a\0b"], b""),
    "control character in a name": (["X-\x01Evil: b"], b""),
    "a second Host": (["Host: elsewhere.example"], b""),
}


@pytest.mark.parametrize(("lines", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_ambiguous_framing_is_refused(
    server: RunningServer, authorization: str, lines: list[str], body: bytes
) -> None:
    """RFC 9112 §6.3: whatever two readers could read in two ways ends the connection."""
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, *lines) + body)
        assert_refused_by_http(client.answer(), 400)
        assert client.rest() == b""
    (line,) = edge_lines(server, client.source)
    assert line["status"] == 400
    assert line["reason"] in {"malformed", "host", "transfer_coding"}


BROKEN_CHUNKS = {
    "size beyond 64 bits": b"F" * 17 + b"\r\nx",
    "size that is no number": b"size\r\nx\r\n0\r\n\r\n",
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "whole request, then a broken one": chunked(BODY).removesuffix(b"0\r\n\r\n") + b"-1\r\n",
}


@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
def test_broken_chunk_is_refused(server: RunningServer, authorization: str, body: bytes) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, CHUNKED) + body)
        answer = client.answer()
        assert_refused_by_http(answer, 400)
        assert client.rest() == b""
    assert_logged(server, client.source, "malformed", 400)
    assert_logged_as(server, client.source, answer)


def test_no_host_is_refused(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, host=None))
        assert_refused_by_http(client.answer(), 400, "Host header")


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTPS/1.1"])
def test_other_versions_are_refused(server: RunningServer, version: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(f"GET {CACERTS} {version}\r\nHost: localhost\r\n\r\n".encode())
        assert_refused_by_http(client.answer(), 400)


def test_length_too_short_issues_nothing_and_smuggles_nothing(
    server: RunningServer, authorization: str
) -> None:
    """What stands beyond the announced length is not a body; nor is it a request."""
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(head("POST", ENROLL, authorization, "Content-Length: 50") + BODY)
        assert_refused(client.answer(), 400, "not a PKCS#10 request")
        assert_refused_by_http(client.answer(), 400)
        assert client.rest() == b""


def test_length_too_long_issues_nothing(server: RunningServer, authorization: str) -> None:
    """The sender ends before the length it announced: a whole CSR inside does not count."""
    length = len(BODY) + 1
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, f"Content-Length: {length}") + BODY)
        client.end()
        assert b"400 Bad Request" in client.rest().partition(b"\r\n")[0]


def test_missing_last_chunk_issues_nothing(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        whole = chunked(BODY)
        client.send(head("POST", ENROLL, authorization, CHUNKED) + whole[: -len(b"0\r\n\r\n")])
        client.end()
        assert b"400 Bad Request" in client.rest().partition(b"\r\n")[0]


def test_request_inside_a_body_is_no_request(server: RunningServer, authorization: str) -> None:
    """The credential of the outer request must not open an inner one."""
    inner = post(ENROLL, BODY, authorization)
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, inner, authorization))
        assert_refused(client.answer(), 400)
        client.send(head("GET", "/health", "Connection: close"))
        assert client.answer().status == 200
        assert client.rest() == b""


def test_trailers_do_not_authenticate(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, CHUNKED, "Trailer: Authorization", "Accept: */*"))
        whole = chunked(BODY).removesuffix(b"\r\n")
        client.send(whole + authorization.encode() + b"\r\n\r\n")
        assert_refused(client.answer(), 401)


def test_upgrade_with_a_body_is_refused(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(post(ENROLL, BODY, authorization, "Connection: Upgrade", "Upgrade: h2c"))
        assert_refused_by_http(client.answer(), 400)


# Sizes.


def test_a_megabyte_of_base64_is_refused_and_the_answer_arrives(
    server: RunningServer, password: str
) -> None:
    """An ordinary client, which reads only when all is sent, still gets its 413."""
    with refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID):
        response = fetch(
            server, "POST", ENROLL, body=b"QUJD" * (1 << 18), headers=basic("big", password)
        )
        assert_refused(response, 413, "CERTCTL_EST_MAX_BODY")


def test_a_megabyte_in_chunks_is_refused_and_the_answer_arrives(
    server: RunningServer, authorization: str
) -> None:
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(head("POST", ENROLL, authorization, CHUNKED) + chunked(*[b"QUJD" * 256] * 1024))
        assert_refused(client.answer(), 413, "CERTCTL_EST_MAX_BODY")


@pytest.mark.parametrize(("length", "status"), [(LIMIT, 400), (LIMIT + 1, 413)])
def test_the_limit_is_exact(
    server: RunningServer, authorization: str, length: int, status: int
) -> None:
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, b"x" * length, authorization))
        assert_refused(client.answer(), status)


def test_a_huge_announcement_is_refused_before_any_body(
    server: RunningServer, authorization: str
) -> None:
    """``Expect: 100-continue``: the refusal comes instead of the invitation."""
    with untouched(server), RawClient(server) as client:
        lines = (authorization, "Content-Length: 4294967296", "Expect: 100-continue")
        client.send(head("POST", ENROLL, *lines))
        assert_refused_by_http(client.answer(), 413)
    assert_logged(server, client.source, "body_too_large", 413)


def test_chunk_extensions_without_end_are_refused(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    """A bomb of framing: a few octets of body wrapped in more than 64 KiB of chunk lines."""
    ledger = Ledger(server)
    with good_client, RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, CHUNKED))
        for _ in range(20):
            client.send(b"1;x=" + b"y" * 8_000 + b"\r\nA\r\n")
        assert_refused_by_http(client.answer(), 400)
    ledger.expect(issued=good_client.enrolled)


def test_endless_tiny_chunks_are_refused(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    ledger = Ledger(server)
    with good_client, RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, CHUNKED))
        client.send(b"1\r\nA\r\n" * 40_000)
        assert_refused_by_http(client.answer(), 400)
    ledger.expect(issued=good_client.enrolled)


def test_endless_trailers_are_refused(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(head("POST", ENROLL, authorization, CHUNKED) + b"1\r\nA\r\n0\r\n")
        client.send(b"".join(b"X-%d: %b\r\n" % (n, b"y" * 1_000) for n in range(100)))
        assert_refused_by_http(client.answer(), 400)


# Headers.

FLOODS = {
    "many header lines": (431, head("GET", CACERTS, *(f"X-{n}: y" for n in range(101)))),
    "ten thousand header lines": (431, head("GET", CACERTS, *["X: y"] * 10_000)),
    "one long header": (431, head("GET", CACERTS, "X: " + "y" * 17_000)),
    "a header of a megabyte": (431, head("GET", CACERTS, "X: " + "y" * (1 << 20))),
    "a header name of a megabyte": (431, head("GET", CACERTS, "X" * (1 << 20) + ": y")),
    "a header that never ends": (431, head("GET", CACERTS)[:-2] + b"X: " + b"y" * (1 << 20)),
    "long target": (414, head("GET", CACERTS + "?" + "a" * 2_100)),
    "a target of a megabyte": (414, head("GET", "/" + "a" * (1 << 20))),
}


REASONS = {414: "url_too_long", 431: "head_too_large"}


@pytest.mark.parametrize(("status", "request_octets"), FLOODS.values(), ids=FLOODS.keys())
def test_header_flood_is_refused(server: RunningServer, status: int, request_octets: bytes) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(request_octets)
        assert_refused_by_http(client.answer(), status)
    assert_logged(server, client.source, REASONS[status], status)


# Pipelining.


def test_pipelined_requests_are_answered_in_order(
    server: RunningServer, authorization: str
) -> None:
    ledger = Ledger(server)
    number = 30
    with RawClient(server) as client:
        for at in range(number):
            csr = forge.request(subject=forge.name((forge.CN, f"pipelined-{at}")))
            client.send(head("GET", CACERTS) + post(ENROLL, csr, authorization))
        for _ in range(number):
            assert client.answer().headers["content-type"] == "application/pkcs7-mime"
            answer = client.answer()
            assert answer.headers["content-type"].endswith("certs-only")
    ledger.expect(issued=number)


def test_nothing_after_close_is_read(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        hidden = post(ENROLL, BODY, authorization)
        client.send(head("GET", "/health", "Connection: close") + hidden)
        assert client.answer().status == 200
        assert client.rest() == b""


def test_http_1_0_keeps_nothing_open(server: RunningServer, authorization: str) -> None:
    with untouched(server), RawClient(server) as client:
        client.send(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        client.send(post(ENROLL, BODY, authorization))
        assert client.answer().status == 200
        assert client.rest() == b""


# Floods last: the log holds so many lines a second, and others want theirs.


def test_pipeline_flood_is_refused_after_its_turn(
    server: RunningServer, good_client: GoodClient
) -> None:
    """Requests waiting on one connection are bounded; those before are still answered."""
    ledger = Ledger(server)
    with good_client, RawClient(server, source="127.0.0.5") as client:
        client.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 600)
        statuses = [client.answer().status]
        while statuses[-1] == 404 and len(statuses) < 600:
            statuses.append(client.answer().status)
        assert statuses.count(404) >= 64
        assert statuses[-1] in (400, 404)
    ledger.expect(issued=good_client.enrolled)


def test_header_floods_harm_nobody(server: RunningServer, good_client: GoodClient) -> None:
    ledger = Ledger(server)
    with good_client:
        for _ in range(30):
            for status, request_octets in FLOODS.values():
                with RawClient(server, source="127.0.0.4") as client:
                    client.send(request_octets)
                    assert client.answer().status == status
    ledger.expect(issued=good_client.enrolled)
