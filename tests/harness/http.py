"""HTTP over TLS 1.3 as an ordinary client speaks it (standard library only)."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.harness.server import RunningServer

TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete answer; header names as they came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def tls_context(
    ca_file: Path, *, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def fetch(
    server: RunningServer,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Response:
    """One request on a connection of its own."""
    connection = http.client.HTTPSConnection(
        "localhost",
        server.port,
        timeout=TIMEOUT_SECONDS,
        context=context or tls_context(server.ca_file),
    )
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Response(
            status=response.status, headers=dict(response.getheaders()), body=response.read()
        )
    finally:
        connection.close()
