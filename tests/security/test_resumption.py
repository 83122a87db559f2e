"""What would make two connections share their secrets, or a request arrive before its
connection is proved: resumption, early data, renegotiation. Refused on both listeners.
"""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.harness.bound_client import BoundClient
from tests.harness.http import TIMEOUT_SECONDS, tls_context
from tests.harness.raw import RawClient, head
from tests.harness.records import untouched
from tests.security.binding import Bound, path

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
MANY = 6


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
def test_no_ticket_is_sent_that_early_data_or_resumption_could_use(
    bound: Bound, which: str, tmp_path: Path
) -> None:
    port = bound.old_port if which == "old" else bound.server.port
    session = tmp_path / "session"
    ask = head("GET", path("demo", "cacerts"), "Connection: close")
    with untouched(bound.server):
        said = s_client(bound, port, "-tls1_3", "-sess_out", session, given=ask)
    assert "HTTP/1.1 200 OK" in said, said
    assert "New, TLSv1.3" in said
    assert "New Session Ticket" not in said
    # Nothing arrived that a client could keep for its next connection.
    assert not session.exists()


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
