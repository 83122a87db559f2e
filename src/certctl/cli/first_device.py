"""The demonstration device: a key of its own, a CSR, simpleenroll over a real socket.

It does what any device does (RFC 7030 §4.2) and trusts only the CA file it was given.
Found again on a later start, it is shown, not enrolled again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certctl.client.address import Address
from certctl.client.est import BasicAuth, EstServer
from certctl.client.failures import ClientFailure
from certctl.client.request import NewKey, Wanted, make_csr, make_key, private_key_pem
from certctl.client.tls import Trust
from certctl.issuers.atomic_write import write_file

NAME = "demo-device-001"
TIMEOUT_SECONDS = 15.0


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


def enroll_first_device(
    device: FirstDevice, *, url: str, profile: str, password: str
) -> EnrolledDevice:
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
    key = make_key(NewKey.P256)
    write_file(device.key_file, private_key_pem(key), mode=0o600, replace=True)
    server = EstServer(
        address=Address.of(url),
        profile=profile,
        trust=Trust(ca_file=device.ca_file),
        basic=BasicAuth(user=NAME, password=password),
        timeout=TIMEOUT_SECONDS,
    )
    csr = make_csr(Wanted.of(NAME, ()), key)
    try:
        certificate, *_ = server.enroll(lambda _connection: csr)
    except ClientFailure as failure:
        raise FirstDeviceFailed(" ".join(failure.lines())) from failure
    device.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return EnrolledDevice(
        certificate=certificate, certificate_file=device.certificate_file, fresh=True
    )
