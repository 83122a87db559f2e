"""The demonstration device: a key of its own, a CSR, simpleenroll over a real socket.

It does what any device does (RFC 7030 §4.2) and trusts only the CA file it was given.
Found again on a later start, it is shown, not enrolled again.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

NAME = "demo-device-001"
TIMEOUT_SECONDS = 15


class FirstDeviceFailed(Exception):
    """The real network path did not give a certificate; the text says what it gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDevice:
    """Where the device keeps its key and certificate, and whom it trusts."""

    directory: Path
    ca_file: Path

    @property
    def key_file(self) -> Path:
        return self.directory / "device.key"

    @property
    def certificate_file(self) -> Path:
        return self.directory / "device.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledDevice:
    """The device's certificate, and whether this start enrolled it."""

    certificate: x509.Certificate
    certificate_file: Path
    fresh: bool


def enroll_first_device(device: FirstDevice, *, url: str, password: str) -> EnrolledDevice:
    """Enroll, or find the certificate of an earlier start.

    Raises:
        FirstDeviceFailed: the server did not answer with a certificate.
    """
    if device.certificate_file.exists():
        certificate = x509.load_pem_x509_certificate(device.certificate_file.read_bytes())
        return EnrolledDevice(
            certificate=certificate, certificate_file=device.certificate_file, fresh=False
        )
    device.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(device.key_file, key)
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]))
        .sign(key, hashes.SHA256())
    )
    answer = _post(f"{url}/simpleenroll", request, password=password, ca_file=device.ca_file)
    certificate = _only_certificate(answer)
    if certificate.public_key() != key.public_key():
        raise FirstDeviceFailed("the certificate holds another key")
    device.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return EnrolledDevice(
        certificate=certificate, certificate_file=device.certificate_file, fresh=True
    )


def _post(
    url: str, request: x509.CertificateSigningRequest, *, password: str, ca_file: Path
) -> bytes:
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=str(ca_file))
    connection = http.client.HTTPSConnection(
        str(parts.hostname), parts.port, timeout=TIMEOUT_SECONDS, context=context
    )
    credentials = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    body = base64.encodebytes(request.public_bytes(serialization.Encoding.DER))
    headers = {
        "Authorization": f"Basic {credentials}",
        "Content-Type": "application/pkcs10",
        "Content-Transfer-Encoding": "base64",
    }
    try:
        connection.request("POST", parts.path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as err:
        raise FirstDeviceFailed(str(err)) from err
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise FirstDeviceFailed(f"{response.status} {answer.decode('utf-8', 'replace')}")
    return answer


def _only_certificate(answer: bytes) -> x509.Certificate:
    certificates = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))
    if len(certificates) != 1:
        raise FirstDeviceFailed(f"{len(certificates)} certificates where one belongs")
    return certificates[0]


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(pem)
