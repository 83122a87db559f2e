"""What is no TLS 1.3 handshake ends there: an alert or a close, a log line, and no record."""

from __future__ import annotations

import os
import socket
import ssl

import pytest

from tests.harness.raw import READ_SIZE, head, new_source, open_tcp
from tests.harness.records import Ledger, untouched
from tests.harness.server import RunningServer
from tests.security.enrollment import CACERTS, GoodClient, edge_lines

HANDSHAKE = 0x16
# Version 2 header: length, CLIENT-HELLO, SSL 2.0, one cipher.
SSL2_HELLO = bytes.fromhex(
    "802e0100020015000000100100800200800300800400800500800600400700c0"
) + bytes(16)
CASES = {
    "random octets": os.urandom(2_000),
    "plain HTTP": head("GET", CACERTS),
    "plain HTTP with a body": head("POST", CACERTS, "Content-Length: 100000") + bytes(100_000),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "SSL 2.0": SSL2_HELLO,
    "record of another type": b"\x99\x03\x01\x00\x10" + bytes(16),
    "record longer than allowed": b"\x16\x03\x01\xff\xff" + bytes(65_535),
    "empty records": b"\x16\x03\x01\x00\x00" * 1_000,
    "application data before a handshake": b"\x17\x03\x03\x00\x20" + bytes(32),
    "alert before a handshake": b"\x15\x03\x03\x00\x02\x02\x28",
    "ClientHello of zeros": b"\x16\x03\x01\x00\x44\x01\x00\x00\x40" + bytes(64),
    "ClientHello of 16 megabytes": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16_380),
}


def read_to_end(plain: socket.socket) -> bytes:
    found = b""
    try:
        while data := plain.recv(READ_SIZE):
            found += data
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("octets", CASES.values(), ids=CASES.keys())
def test_garbage_ends_the_connection(server: RunningServer, octets: bytes) -> None:
    source = new_source()
    with untouched(server), open_tcp(server, source=source) as plain:
        plain.sendall(octets)
        assert b"HTTP" not in read_to_end(plain)
        (line,) = edge_lines(server, source)
        assert line["kind"] == "handshake_failed"
        assert line["reason"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
def test_older_versions_are_refused(server: RunningServer, version: ssl.TLSVersion) -> None:
    source = new_source()
    context = ssl.create_default_context(cafile=str(server.ca_file))
    context.maximum_version = version
    with (
        untouched(server),
        open_tcp(server, source=source) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(plain, server_hostname="localhost").close()
    (line,) = edge_lines(server, source)
    assert line["kind"] == "handshake_failed"


def test_flood_of_garbage_harms_nobody(server: RunningServer, good_client: GoodClient) -> None:
    ledger = Ledger(server)
    source = new_source()
    with good_client:
        for _ in range(20):
            for octets in CASES.values():
                with open_tcp(server, source=source) as plain:
                    plain.sendall(octets)
    ledger.expect(issued=good_client.enrolled)
