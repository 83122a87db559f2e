"""KeyUpdates cost the sender next to nothing, so they must not cost others their turn."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.tls13 import Records
from tests.unit.tls.conftest import Serve
from tests.unit.tls.last_words import last_words
from tests.unit.tls.rig import Reader, Server, plain, request, secured, tls

MANY = 500


@contextlib.contextmanager
def updating(server: Server, folder: Path) -> Iterator[tuple[socket.socket, Records]]:
    """A connection after its handshake, below TLS, and what its client would write."""
    secrets = folder / "secrets"
    with plain(server) as sock:
        client = secured(sock, keylog_filename=str(secrets))
        server.until(lambda: server.counters_now().handshakes_ok)
        records = Records(client, secrets)
        with socket.socket(fileno=client.detach()) as below:
            yield below, records


@pytest.mark.parametrize("answer", [False, True])
def test_others_have_their_turn_between_them(
    server: Server, tmp_path: Path, *, answer: bool
) -> None:
    with updating(server, tmp_path) as (first, records), tls(server) as other:
        server.until(lambda: server.counters_now().handshakes_ok == 2)
        flood = b"".join(records.key_update(answer=answer) for _ in range(MANY))
        flood += records.data(request("/echo", b"first"))

        def both() -> None:
            first.sendall(flood)
            other.sendall(request("/echo", b"the other"))

        server.do(both)  # both are there when the server looks
        assert Reader(other).answer().body == b"the other"
        server.until(lambda: len(server.app.seen) == 2)
    assert server.app.seen == [("POST", "/echo", 9), ("POST", "/echo", 5)]


def test_they_are_no_request(serve: Serve, tmp_path: Path) -> None:
    server = serve(idle_s=0.3)
    with updating(server, tmp_path) as (client, records):
        with contextlib.suppress(ConnectionError):
            while True:
                client.sendall(records.key_update())
        assert server.counters.open == 0


def test_a_reset_behind_one_is_noticed(serve: Serve, tmp_path: Path) -> None:
    server = serve(idle_s=3600)
    with updating(server, tmp_path) as (client, records):
        last_words(server, client, lambda: client.sendall(records.key_update()))
    server.until(lambda: server.counters_now().open == 0)
