"""The listener for old devices (``TLS12_PORT``) in the whole server: what it serves, and
whose its port is. That a reload is for it as well is in ``test_certificate_swap.py``.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.http import tls_context
from tests.harness.raw import Answer, RawClient, head, open_tcp
from tests.harness.server import RunningServer, configured_server, free_port
from tests.security.enrollment import refuses_to_start

CACERTS = "/.well-known/est/cacerts"


def with_old_port(directory: Path, old_port: int, **more: str) -> RunningServer:
    settings = {"TLS12_PORT": str(old_port), "EST_ISSUER_ID": "iss-local"} | more
    return configured_server(directory, settings)


@pytest.fixture(scope="module")
def old_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, old_port: int) -> Iterator[RunningServer]:
    with with_old_port(tmp_path_factory.mktemp("server"), old_port) as running:
        yield running


def old_context(server: RunningServer) -> ssl.SSLContext:
    context = tls_context(server.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def ask(server: RunningServer, port: int, path: str) -> Answer:
    with RawClient(server, context=old_context(server), port=port) as client:
        client.send(head("GET", path))
        return client.answer()


@pytest.mark.parametrize("path", [CACERTS, "/.well-known/est/cacerts/", "/health", "/health?x"])
def test_est_and_health_are_there(server: RunningServer, old_port: int, path: str) -> None:
    assert ask(server, old_port, path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ready",
        "/metrics",
        "/admin/est/profiles",
        "/api/v1/certificates",
        "/health/",
        "/Health",
        "//health",
        "/.well-known/",
        "/.well-known/est",
        "/.well-known/estx/cacerts",
        "/.well-known/acme/directory",
        "/ready/.well-known/est/cacerts",
        "/.well-known/est/../../ready",
        "/.well-known/est/%2e%2e/%2e%2e/ready",
        "https://localhost/ready",
        "https://localhost/ready?/.well-known/est/",
    ],
)
def test_nothing_else_is(server: RunningServer, old_port: int, path: str) -> None:
    answer = ask(server, old_port, path)
    assert answer.status == 404
    assert "ready" not in answer.text


def test_what_is_hidden_there_is_on_the_main_port(server: RunningServer) -> None:
    with RawClient(server) as client:
        client.send(head("GET", "/ready"))
        assert client.answer().status == 200


def test_the_main_port_speaks_no_tls_1_2(server: RunningServer) -> None:
    with (
        open_tcp(server) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        old_context(server).wrap_socket(plain, server_hostname="localhost")


def test_the_log_names_the_port(server: RunningServer, old_port: int) -> None:
    (line,) = server.log_events("TLS 1.2 listener enabled")
    assert line["port"] == old_port


@pytest.mark.parametrize("listens", [True, False])
def test_a_taken_port_is_refused(tmp_path: Path, *, listens: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listens:
            other.listen()
        taken = other.getsockname()[1]
        text = refuses_to_start(with_old_port(tmp_path, taken))
    assert f"port {taken}" in text
    assert "CERTCTL_TLS12_PORT" in text


def test_a_second_server_does_not_share_it(
    server: RunningServer, old_port: int, tmp_path: Path
) -> None:
    assert server.process.poll() is None
    assert f"port {old_port}" in refuses_to_start(with_old_port(tmp_path, old_port))
