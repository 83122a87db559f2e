"""What would make two connections share their secrets, or a request arrive before its
connection is proved: resumption, early data, renegotiation. Refused on both listeners.
"""

from __future__ import annotations

import base64
import ssl
import subprocess
from pathlib import Path

import pytest
from OpenSSL import SSL

from certctl.wire.der import INTEGER, encode, read
from tests.harness.bound_client import BoundClient, csr
from tests.harness.http import TIMEOUT_SECONDS, tls_context
from tests.harness.raw import RawClient, head, post
from tests.harness.records import Ledger, untouched
from tests.security.binding import RIGHT, Bound, path

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MANY = 6
SEQUENCE = 0x30
# SSL_SESSION of OpenSSL, ASN.1: max_early_data [15], which belongs before alpn [16].
MAX_EARLY_DATA = 0xAF
AFTER_IT = 0xB0


@pytest.mark.parametrize(("which", "version"), [("main", TLS13), ("old", TLS13), ("old", TLS12)])
def test_no_session_is_resumed(bound: Bound, which: str, version: ssl.TLSVersion) -> None:
    context = tls_context(bound.server.ca_file)
    context.maximum_version = version
    session = None
    with untouched(bound.server):
        for _ in range(MANY):
            with RawClient(
                bound.server,
                context=context,
                port=bound.old_port if which == "old" else None,
                session=session,
            ) as client:
                client.send(head("GET", path("demo", "cacerts")))
                assert client.answer().status == 200
                assert not client.tls.session_reused
                session = client.tls.session
    assert session is not None


@pytest.mark.parametrize("which", ["main", "old"])
def test_early_data_is_not_read(bound: Bound, which: str, tmp_path: Path) -> None:
    port = bound.old_port if which == "old" else bound.server.port
    session, doctored, request = (tmp_path / name for name in ("session", "doctored", "request"))
    request.write_bytes(post(path("demo"), csr(f"early-{which}"), RIGHT))
    ledger = Ledger(bound.server)
    ask = head("GET", path("demo", "cacerts"), "Connection: close")
    first = s_client(bound, port, "-sess_out", session, given=ask)
    assert "HTTP/1.1 200 OK" in first, first
    assert "Max Early Data: 0" in first
    doctored.write_bytes(with_early_data(session.read_bytes()))

    second = s_client(bound, port, "-sess_in", doctored, "-early_data", request, given=ask)
    assert "Early data was rejected" in second, second
    # What was asked after the handshake was answered, and nothing before it.
    assert second.count("HTTP/1.1 ") == 1
    assert "application/pkcs7-mime\n" in second.replace("\r", "")
    ledger.expect_nothing()


def test_no_connection_is_renegotiated(bound: Bound) -> None:
    with (
        untouched(bound.server),
        BoundClient(bound.server, bound.ways()["old, 1.2"]) as client,
    ):
        client.send(head("GET", path("demo", "cacerts")))
        assert client.answer().status == 200
        before = client.tls_unique
        assert client.tls.renegotiate()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            client.tls.do_handshake()
        assert client.tls_unique == before


def s_client(bound: Bound, port: int, *options: str | Path, given: bytes) -> str:
    """What the openssl command says, and the answer it read."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
    command += ["-CAfile", str(bound.server.ca_file), "-ign_eof", *map(str, options)]
    done = subprocess.run(
        command, input=given, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def with_early_data(pem: bytes) -> bytes:
    """The session as a server that takes 16 KB of early data would have given it."""
    lines = pem.decode().split("-----")
    der = base64.b64decode(lines[2])
    tag, start, end = read(der, 0, len(der))
    assert (tag, end) == (SEQUENCE, len(der))
    before, after, place = b"", b"", start
    while place < end:
        found, _, stop = read(der, place, end)
        if found >= AFTER_IT:
            after += der[place:stop]
        else:
            before += der[place:stop]
        place = stop
    allowed = encode(MAX_EARLY_DATA, encode(INTEGER, (16_384).to_bytes(2, "big")))
    session = base64.encodebytes(encode(SEQUENCE, before, allowed, after)).decode()
    name = lines[1].removeprefix("BEGIN ")
    return f"-----BEGIN {name}-----\n{session}-----END {name}-----\n".encode()
