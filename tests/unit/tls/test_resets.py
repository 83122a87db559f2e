"""A peer that sends its last words and resets in one go: the loop tells of both at once.

The loop is kept busy meanwhile, so that data and reset are there together when it looks.
"""

from __future__ import annotations

import pytest

from certctl.tls.limits import READ_SIZE, READS_PER_WAKE
from tests.unit.tls.conftest import Serve
from tests.unit.tls.last_words import last_words
from tests.unit.tls.rig import Reader, Server, plain, request, secured

FOREVER = {"header_s": 3600, "body_s": 3600, "idle_s": 3600, "drain_s": 3600, "handshake_s": 3600}
HALF = request("/echo", b"x" * 50)[:-20]


@pytest.fixture
def patient(serve: Serve) -> Server:
    """Its time limits end nothing while a test waits."""
    return serve(**FOREVER)


def gone(server: Server) -> None:
    server.until(lambda: server.counters_now().open == 0)


@pytest.mark.parametrize("octets", [HALF[:5], HALF, request("/echo", b"whole")], ids=len)
def test_of_a_request(patient: Server, octets: bytes) -> None:
    with plain(patient) as sock, secured(sock) as client:
        patient.until(lambda: patient.counters_now().handshakes_ok)
        last_words(patient, client, lambda: client.sendall(octets))
    gone(patient)


def test_while_its_request_is_being_answered(patient: Server) -> None:
    with plain(patient) as sock, secured(sock) as client:
        client.sendall(request("/wait-gone"))
        patient.until(lambda: patient.app.held)
        last_words(patient, client, lambda: client.sendall(HALF[:5]))
    patient.until(patient.app.cut.is_set)
    gone(patient)


def test_of_more_records_than_are_read_in_a_row(patient: Server) -> None:
    body = b"b" * READ_SIZE
    with plain(patient) as sock, secured(sock) as client:
        head = request("/echo", b"")[:-4].replace(b"Content-Length: 0", b"Content-Length: 200000")
        client.sendall(head + b"\r\n\r\n")
        patient.until(lambda: patient.listener._served.in_flight)
        # TLS makes a record of each READ_SIZE of it.
        last_words(patient, client, lambda: client.sendall(body * (READS_PER_WAKE + 1)))
    gone(patient)


def test_after_an_early_answer(patient: Server) -> None:
    with plain(patient) as sock, secured(sock) as client:
        client.sendall(request("/early", b"x" * 5000)[:-100])
        assert Reader(client).answer().status == 401
        last_words(patient, client, lambda: client.sendall(b"y" * 50))
    gone(patient)


def test_in_the_middle_of_the_handshake(patient: Server) -> None:
    with plain(patient) as sock:
        patient.until(lambda: patient.counters_now().open)
        last_words(patient, sock, lambda: sock.sendall(b"\x16\x03\x01\x02\x00\x01"))
    gone(patient)
    assert patient.counters.handshakes_failed == 1
