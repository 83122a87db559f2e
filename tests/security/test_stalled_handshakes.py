"""1,000 connections that never finish a handshake; and more of them than are allowed."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.harness.raw import RawClient, crowd, ended, head, new_source, open_tcp
from tests.harness.records import Ledger
from tests.harness.server import RunningServer, configured_server
from tests.security.enrollment import GoodClient, edge_lines

STALLED = 1_000
SOURCES = [f"127.0.10.{number}" for number in range(1, 6)]
# The first octets of a ClientHello that announces more.
BEGUN = bytes.fromhex("16030102000100")
CAP = 20


def test_stalled_handshakes_harm_nobody_and_are_ended(
    server: RunningServer, good_client: GoodClient
) -> None:
    """Half of them say nothing, half begin a ClientHello; all are ended after 10 seconds."""
    ledger = Ledger(server)
    stalled: list[socket.socket] = []
    with crowd(stalled), good_client:
        for number in range(STALLED):
            plain = open_tcp(server, source=SOURCES[number % len(SOURCES)])
            stalled.append(plain)
            if number % 2:
                plain.sendall(BEGUN)
        assert all(map(ended, stalled))
    ledger.expect(issued=good_client.enrolled)
    reasons = {line["reason"] for line in edge_lines(server, SOURCES[0])}
    assert reasons == {"timeout"}


def test_one_source_cannot_take_all_connections(tmp_path: Path) -> None:
    """``MAX_CONNECTIONS_PER_SOURCE``: further ones are closed at once, others get through."""
    limits = {"MAX_CONNECTIONS_PER_SOURCE": str(CAP), "WORKERS": "1"}
    source = new_source()
    held: list[socket.socket] = []
    with (
        configured_server(tmp_path, limits | {"EST_ISSUER_ID": "iss-local"}) as server,
        crowd(held),
    ):
        held += [open_tcp(server, source=source) for _ in range(CAP)]
        with open_tcp(server, source=source) as one_more:
            assert ended(one_more)
        with RawClient(server) as other:
            other.send(head("GET", "/health"))
            assert other.answer().status == 200
        assert [each["kind"] for each in edge_lines(server, source)] == ["refused_source"]
        held.pop().close()
        _until_served(server, source)


def test_connections_in_all_are_bounded(tmp_path: Path) -> None:
    limits = {"MAX_CONNECTIONS": str(CAP), "WORKERS": "1", "EST_ISSUER_ID": "iss-local"}
    held: list[socket.socket] = []
    with configured_server(tmp_path, limits) as server, crowd(held):
        held += [open_tcp(server, source=new_source()) for _ in range(CAP)]
        source = new_source()
        with open_tcp(server, source=source) as one_more:
            assert ended(one_more)
        assert [each["kind"] for each in edge_lines(server, source)] == ["refused_total"]
        held.pop().close()
        _until_served(server, new_source())


def _until_served(server: RunningServer, source: str) -> None:
    """The server hears of a closed connection a moment after we closed it."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with RawClient(server, source=source) as client:
                client.send(head("GET", "/health"))
                assert client.answer().status == 200
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
