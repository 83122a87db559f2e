"""Clients that ask and ask and never read an answer: bounded memory, then the end."""

from __future__ import annotations

import select
import time
from pathlib import Path

from tests.harness.http import tls_context
from tests.harness.raw import RawClient, crowd, head
from tests.harness.records import Ledger
from tests.harness.server import RunningServer
from tests.security.enrollment import CACERTS, GoodClient, edge_lines

READERS = 200
# Fewer than may wait in a pipeline, so that none is refused for that.
BATCH = 50
BATCHES = 12
SOURCE = "127.0.13.1"
RECEIVE_BUFFER = 4_096
# Unsent answers (64 KiB at most), requests waiting, TLS and HTTP state: far below this.
KILOBYTES_EACH = 300
# Half a minute without a single octet taken, and the time that the kernel takes some.
ENDED_SECONDS = 60


def resident_kilobytes(server: RunningServer) -> int:
    total = 0
    for pid in server.processes()["worker"]:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total


def test_slow_readers_harm_nobody_and_are_ended(
    server: RunningServer, good_client: GoodClient
) -> None:
    ledger = Ledger(server)
    context = tls_context(server.ca_file)
    before = resident_kilobytes(server)
    readers: list[RawClient] = []
    with crowd(readers), good_client:
        for _ in range(READERS):
            reader = RawClient(
                server, source=SOURCE, context=context, receive_buffer=RECEIVE_BUFFER
            )
            readers.append(reader)
            for _ in range(BATCHES):
                reader.send(head("GET", CACERTS) * BATCH)
        assert resident_kilobytes(server) - before < READERS * KILOBYTES_EACH
        wait_reset(readers)
        for reader in readers:
            assert reader.rest().count(b"HTTP/1.1 200") < BATCH * BATCHES
    ledger.expect(issued=good_client.enrolled)
    assert {line["kind"] for line in edge_lines(server, SOURCE)} == {"write_timeout"}


def wait_reset(readers: list[RawClient]) -> None:
    """Until the server has reset every connection; nothing is read for it."""
    waiting = select.poll()
    for reader in readers:
        waiting.register(reader.fileno(), 0)
    left = {reader.fileno() for reader in readers}
    deadline = time.monotonic() + ENDED_SECONDS
    while left:
        for number, _ in waiting.poll(1_000):
            waiting.unregister(number)
            left.discard(number)
        assert time.monotonic() < deadline, f"{len(left)} of {len(readers)} still open"
