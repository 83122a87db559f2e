"""1,000 requests whose header never ends, some of them a letter at a time."""

from __future__ import annotations

import time

from tests.harness.http import tls_context
from tests.harness.raw import RawClient, crowd
from tests.harness.records import Ledger
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, GoodClient, assert_refused_by_http, edge_lines

STALLED = 1_000
TRICKLING = 100
SOURCES = [f"127.0.11.{number}" for number in range(1, 6)]
BEGUN = f"POST {ENROLL} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".encode()


def test_stalled_headers_harm_nobody_and_are_answered_408(
    server: RunningServer, good_client: GoodClient
) -> None:
    """A letter now and then buys no time: the limit is for the whole header."""
    ledger = Ledger(server)
    context = tls_context(server.ca_file)
    stalled: list[RawClient] = []
    with crowd(stalled), good_client:
        for number in range(STALLED):
            source = SOURCES[number % len(SOURCES)]
            stalled.append(RawClient(server, source=source, context=context))
            stalled[-1].send(BEGUN)
        for _ in range(5):
            time.sleep(1)
            for client in stalled[-TRICKLING:]:
                client.send(b"y")
        for client in stalled:
            assert_refused_by_http(client.answer(), 408, "header did not arrive in time")
            assert client.rest() == b""
    ledger.expect(issued=good_client.enrolled)
    assert {line["reason"] for line in edge_lines(server, SOURCES[0])} == {"header_timeout"}
