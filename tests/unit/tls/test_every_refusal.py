"""Every refusal of HTTP itself, as docs/reference/refusals.md has it: text, status, request id.

The rows are read from the page; a refusal without a case here fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from certctl.tls.refusals import Refusal
from tests.unit.tls.conftest import Serve
from tests.unit.tls.rig import Reader, openssl, request

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "refusals.md"
ROW = re.compile(r"^\| (\d{3}) \| `(\w+)` \| ([^|]+) \|$", re.MULTILINE)
POST = b"POST /echo HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

CASES: Mapping[Refusal, bytes] = {
    Refusal.MALFORMED: b"garbage\r\n\r\n",
    Refusal.HOST: b"GET / HTTP/1.1\r\n\r\n",
    Refusal.VERSION: b"GET /echo HTTP/0.9\r\nHost: h\r\n\r\n",
    Refusal.TRANSFER_CODING: POST + b"Transfer-Encoding: gzip\r\n\r\n",
    Refusal.CHUNK_FRAMING: CHUNKED + b"1\r\nc\r\n" * 40_000,
    Refusal.CONNECT: b"CONNECT a.example:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    Refusal.UPGRADE_WITH_BODY: POST
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    Refusal.TRUNCATED: request("/echo", b"12345")[:-1],
    Refusal.PIPELINE: request("/hold") + request("/echo", b"") * 100,
    Refusal.HEADER_TIMEOUT: b"GET / HT",
    Refusal.BODY_TIMEOUT: request("/echo", b"12345")[:-1],
    Refusal.BODY_TOO_LARGE: POST + b"Content-Length: 262145\r\n\r\n",
    Refusal.URL_TOO_LONG: request("/" + "u" * 2_048, method="GET"),
    Refusal.HEAD_TOO_LARGE: request("/echo", b"", *["X: v"] * 100, method="GET"),
    Refusal.APPLICATION_FAILED: request("/crash"),
}


def rows() -> dict[str, tuple[int, list[str]]]:
    table = PAGE.read_text().partition("## What is no EST request")[2]
    return {name: (int(status), text.split("<br>")) for status, name, text in ROW.findall(table)}


def test_every_row_has_a_case() -> None:
    assert set(CASES) == set(rows()) == set(Refusal)


@pytest.mark.parametrize("refusal", CASES)
def test_as_the_page_says(serve: Serve, refusal: Refusal) -> None:
    status, lines = rows()[refusal]
    server = serve(header_s=0.3, body_s=0.3)
    with openssl(server) as client:
        client.sendall(CASES[refusal])
        if refusal is Refusal.TRUNCATED:
            client.shutdown()
        if refusal is Refusal.PIPELINE:
            server.until(lambda: server.counters_now().rejected)
            server.do(server.app.release.set)
        reader = Reader(client)
        answer = reader.answer()
        while answer.status == 200:
            answer = reader.answer()
        assert reader.rest() == b""
    (event,) = server.events
    assert (answer.status, event.status, event.reason) == (status, status, refusal)
    assert len(event.request_id) == 16
    assert answer.header("X-Request-Id") == event.request_id
    assert len(server.faults()) == (refusal is Refusal.APPLICATION_FAILED)
    told = [*lines, f"request-id: {event.request_id}"]
    assert answer.body.decode().splitlines() == told
