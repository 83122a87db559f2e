"""A server that keeps issuers in its store, and an offline root above them."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.audit import RecordedEvent
from certctl.domain.search import AuditQuery, Page
from tests.harness.api import ApiClient, first_key
from tests.harness.device import Device, name
from tests.harness.http import Response, fetch
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "factory-password-01"
PKI = "/.well-known/pki"
WAIT_SECONDS = 30.0
LINE = {
    "EST_PROFILES": "corp,line",
    "EST_PROFILE_LINE_ISSUER_ID": "factory",
    "EST_PROFILE_LINE_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_LINE_ENROLLMENT_PASSWORD": PASSWORD,
}
"""A second EST profile, of an issuer of the store."""

LOCAL = {
    "EST_PROFILES": "corp",
    "EST_PROFILE_CORP_ISSUER_ID": "iss-local",
    "EST_PROFILE_CORP_ALLOWED_AUTH_MODES": "basic",
    "EST_PROFILE_CORP_ENROLLMENT_PASSWORD": PASSWORD,
    "ISSUERS": "iss-local,outside",
    "ISSUER_OUTSIDE_TYPE": "script",
    "WORKERS": "1",
    "RATE_LIMIT_ENABLED": "false",
}


@dataclass
class House:
    server: RunningServer
    key: bytes
    find: Path
    root: str = ""

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.server, self.root)

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        answer = self.api.send(method, path, body)
        assert answer.status >= 400, answer.text
        return answer.status, json.loads(answer.body)

    def events(self, action: str) -> Sequence[RecordedEvent]:
        with closing(self.server.records()) as records:
            return records.audit_page(AuditQuery(action=action), Page()).rows

    def changes(self, issuer: str) -> list[str]:
        """What is on record of an issuer's life, oldest first."""
        return [
            str(each.event.details["change"])
            for each in reversed(self.events("config_changed"))
            if (each.event.resource_type, each.event.resource_id) == ("issuer", issuer)
        ]

    def issued(self) -> int:
        return len(self.api.get("/certificates?per_page=500")["data"])

    def published(self, path: str) -> Response:
        return fetch(self.server, "GET", PKI + path)

    def eventually(self, found: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not found():
            assert time.monotonic() < deadline, self.server.log()[-4_000:]
            time.sleep(0.05)

    def again(self, **settings: str) -> None:
        """Stop and start with these settings changed."""
        self.server.stop()
        for each, text in settings.items():
            self.server.environment[f"CERTCTL_{each}"] = text
        self.server.start()

    def enroll(self, profile: str, device: Device) -> int:
        path = f"/.well-known/est/{profile}/simpleenroll"
        return device.enroll(self.server, path, password=PASSWORD).status


@contextlib.contextmanager
def issuer_house(directory: Path) -> Iterator[House]:
    """A running server with a config key, a script issuer that never signs, and one profile."""
    key = secrets.token_bytes(32)
    key_file = directory / "config.key"
    key_file.write_text(base64.b64encode(key).decode() + "\n")
    key_file.chmod(0o600)
    find = directory / "find"
    program(find, "exit 0")
    program(directory / "sign", f"touch {directory}/signed; exit 75")
    outside = directory / "outside.pem"
    outside.write_bytes(Offline().certificate.public_bytes(Encoding.PEM))
    settings = LOCAL | {
        "CONFIG_ENCRYPTION_KEY_FILE": str(key_file),
        "ISSUER_OUTSIDE_CA_CERT_PATH": str(outside),
        "ISSUER_OUTSIDE_SIGN": str(directory / "sign"),
        "ISSUER_OUTSIDE_FIND": str(find),
        "PUBLIC_URL": "https://est.example",
        "PKI_HTTP_PORT": str(free_port()),
    }
    with configured_server(directory, settings) as server:
        yield House(server, key, find, first_key(server))


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@dataclass
class Offline:
    """An offline root, which certifies what it is asked to."""

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = name("Offline Root")
        self.certificate = self.certify(self.name, self.key.public_key())

    def certify(
        self, subject: x509.Name, key: Any, *, ca: bool = True, days: tuple[int, int] = (-1, 900)
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self.key, hashes.SHA384())
        )


def pem(*certificates: x509.Certificate) -> str:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates).decode()
