"""What a server publishes of its certificates, fetched as relying parties do."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from tests.harness.http import Response
from tests.harness.server import PROGRAM, RunningServer, clean_environment

PKI = "/.well-known/pki"
TIMEOUT_SECONDS = 20

# Promise 4 (records §1), and room for a machine that does something else as well.
CRL_SECONDS = 15
OCSP_SECONDS = 1
PATIENCE = 3

T = TypeVar("T")


def publishing_settings(port: PlainPort, password: str) -> dict[str, str]:
    """Of a server that publishes on this port and enrolls under the profile ``corp``."""
    return {
        "EST_PROFILES": "corp",
        "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
        "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
        "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": password,
        "PKI_HTTP_PORT": str(port.port),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainPort:
    """The listener without TLS."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PKI}"

    def fetch(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request on a connection of its own; ``path`` below ``/.well-known/pki``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, PKI + path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return Response(
                status=response.status, headers=dict(response.getheaders()), body=response.read()
            )
        finally:
            connection.close()

    def settle(self, path: str = "/crl/iss-local") -> None:
        """Until every worker serves the first of it; connections are spread over them."""
        eventually(
            lambda: all(self.fetch("HEAD", path).status == 200 for _ in range(20)), CRL_SECONDS
        )

    def crl(self, issuer: str = "iss-local") -> x509.CertificateRevocationList:
        """The CRL, as soon as there is a first one."""

        def fetched() -> Response | None:
            response = self.fetch("GET", f"/crl/{issuer}")
            assert response.status in (200, 503), response
            return response if response.status == 200 else None

        return x509.load_der_x509_crl(eventually(fetched, CRL_SECONDS).body)


def eventually(probe: Callable[[], T | None], seconds: float) -> T:
    """What ``probe`` gives once it gives something, within the time of a promise."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        found = probe()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < deadline, f"not within {seconds * PATIENCE} s"
        time.sleep(0.05)


def crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def revoke(server: RunningServer, serial: int, reason: str = "superseded") -> None:
    done = subprocess.run(
        [PROGRAM, "certificates", "revoke", f"{serial:x}", "--reason", reason],
        env=clean_environment(server.environment),
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def openssl(*arguments: str | Path) -> str:
    """All that ``openssl`` prints, whatever its exit code."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def point_of(url: str) -> x509.IssuingDistributionPoint:
    """What a CRL of one partition says of itself (RFC 5280 §5.2.5)."""
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
