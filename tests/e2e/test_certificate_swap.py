"""SIGHUP makes every worker read certificate and key again; a bad pair keeps the old one."""

from __future__ import annotations

import datetime as dt
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.harness.device import name
from tests.harness.http import fetch
from tests.harness.raw import RawClient, head
from tests.harness.server import RunningServer, configured_server, free_port

WORKERS = 2
# Both workers are among so many connections, but for once in 2**19 runs.
MANY = 20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """With a certificate of the operator's, whose file is also what clients trust."""
    chain, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    _write_pair(chain, key)
    running = configured_server(
        tmp_path,
        {
            "EST_ISSUER_ID": "iss-local",
            "SERVER_TLS_CERT_PATH": str(chain),
            "SERVER_TLS_KEY_PATH": str(key),
            "WORKERS": str(WORKERS),
            "TLS12_PORT": str(free_port()),
        },
    )
    running.ca_file = chain
    with running:
        yield running


def test_new_connections_get_the_new_certificate_and_old_ones_live_on(
    server: RunningServer, tmp_path: Path
) -> None:
    old = _certificate(server.ca_file)
    assert _served(server) == {old}
    with RawClient(server) as early:
        early.send(head("GET", "/ready"))
        assert early.answer().status == 200
        _write_pair(tmp_path / "tls.pem", tmp_path / "tls.key")
        assert _served(server) == {old}, "files alone change nothing"
        new = _certificate(server.ca_file)
        assert new != old
        server.process.send_signal(signal.SIGHUP)
        server.wait_logged("tls_reloaded", WORKERS)
        assert _served(server) == {new}
        early.send(head("GET", "/ready"))
        assert early.answer().status == 200
    assert server.stop() == 0


@pytest.mark.parametrize("damage", ["another key", "no certificate", "missing"])
def test_a_bad_pair_keeps_the_old_one_and_the_next_good_one_is_taken(
    server: RunningServer, tmp_path: Path, damage: str
) -> None:
    chain, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    old, good = _certificate(chain), (chain.read_bytes(), key.read_bytes())
    match damage:
        case "another key":
            _write_pair(tmp_path / "unused.pem", key)
        case "no certificate":
            chain.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        case _:
            chain.unlink()
    server.process.send_signal(signal.SIGHUP)
    server.wait_logged("tls_reload_refused", WORKERS)
    assert _served(server) == {old}
    assert all(each["problem"] for each in server.log_events("tls_reload_refused"))
    chain.write_bytes(good[0])
    key.write_bytes(good[1])
    assert fetch(server, "GET", "/ready").status == 200
    server.process.send_signal(signal.SIGHUP)
    server.wait_logged("tls_reloaded", WORKERS)
    assert server.stop() == 0


def test_workers_restarted_later_serve_the_new_certificate_too(
    server: RunningServer, tmp_path: Path
) -> None:
    _write_pair(tmp_path / "tls.pem", tmp_path / "tls.key")
    new = _certificate(server.ca_file)
    server.process.send_signal(signal.SIGHUP)
    server.wait_logged("tls_reloaded", WORKERS)
    for pid in server.processes()["worker"]:
        os.kill(pid, signal.SIGKILL)
    server.wait_logged("process_ended", WORKERS)
    server.wait_ready()
    assert _served(server) == {new}
    assert server.stop() == 0


def _write_pair(chain: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("localhost"))
        .issuer_name(name("localhost"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key_file.chmod(0o600)
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _certificate(path: Path) -> bytes:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.public_bytes(serialization.Encoding.DER)


def _served(server: RunningServer) -> set[bytes | None]:
    """Certificates that new connections are shown, on both listeners."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    shown = set()
    for port in (server.port, int(server.environment["CERTCTL_TLS12_PORT"])):
        for _ in range(MANY):
            with RawClient(server, context=context, port=port) as client:
                shown.add(client.peer_certificate())
    return shown
