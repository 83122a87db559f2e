"""1,000 requests whose body never comes to its end, some of them an octet at a time."""

from __future__ import annotations

import time

from tests.harness.http import tls_context
from tests.harness.raw import RawClient, crowd, head
from tests.harness.records import Ledger
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, GoodClient, assert_refused_by_http, edge_lines
from tests.unit.wire import forge

STALLED = 1_000
TRICKLING = 100
SOURCES = [f"127.0.12.{number}" for number in range(1, 6)]
BODY = forge.request(subject=forge.name((forge.CN, "stalled")))


def test_stalled_bodies_harm_nobody_and_are_answered_408(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    """All are authenticated, and each holds a whole CSR but for what it announced beyond."""
    ledger = Ledger(server)
    context = tls_context(server.ca_file)
    begun = head("POST", ENROLL, authorization, f"Content-Length: {len(BODY) + 1000}") + BODY
    stalled: list[RawClient] = []
    with crowd(stalled), good_client:
        for number in range(STALLED):
            source = SOURCES[number % len(SOURCES)]
            stalled.append(RawClient(server, source=source, context=context, timeout=40))
            stalled[-1].send(begun)
        for _ in range(5):
            time.sleep(3)
            for client in stalled[-TRICKLING:]:
                client.send(b"y")
        for client in stalled:
            assert_refused_by_http(client.answer(), 408, "body did not arrive in time")
            assert client.rest() == b""
    ledger.expect(issued=good_client.enrolled)
    assert {line["reason"] for line in edge_lines(server, SOURCES[0])} == {"body_timeout"}
