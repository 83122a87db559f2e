"""A device: a key, a name, CSRs in the forms devices send, and what it was given."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from tests.harness.http import Response, basic, fetch, tls_context
from tests.harness.server import RunningServer


def name(common_name: str, **more: str) -> x509.Name:
    """``name("device-1", serial_number="A1")``; attributes by their NameOID names."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    attributes += [
        x509.NameAttribute(getattr(NameOID, kind.upper()), value) for kind, value in more.items()
    ]
    return x509.Name(attributes)


@dataclass
class Device:
    """Keeps its files in ``directory`` as ``NAME.key`` and ``NAME.crt``."""

    directory: Path
    common_name: str = "device-1"
    san: Sequence[x509.GeneralName] = ()
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    certificate: x509.Certificate | None = None

    @property
    def key_file(self) -> Path:
        path = self.directory / f"{self.common_name}.key"
        if not path.exists():
            path.write_bytes(
                self.key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            path.chmod(0o600)
        return path

    @property
    def certificate_file(self) -> Path:
        assert self.certificate is not None
        path = self.directory / f"{self.common_name}.crt"
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def csr(self, subject: x509.Name | None = None) -> x509.CertificateSigningRequest:
        builder = x509.CertificateSigningRequestBuilder().subject_name(
            subject if subject is not None else name(self.common_name)
        )
        if self.san:
            builder = builder.add_extension(x509.SubjectAlternativeName(self.san), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def body(self, csr: x509.CertificateSigningRequest | None = None) -> bytes:
        """Base64 folded as most clients send it."""
        return base64.encodebytes((csr or self.csr()).public_bytes(serialization.Encoding.DER))

    def enroll(
        self,
        server: RunningServer,
        path: str,
        *,
        password: str | None = None,
        with_certificate: bool = False,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """POST a CSR; a 200 answer's certificate becomes this device's certificate."""
        context = (
            tls_context(server.ca_file, certificate=self.certificate_file, key=self.key_file)
            if with_certificate
            else None
        )
        sent = {"Content-Type": "application/pkcs10"} | dict(headers or {})
        if password is not None:
            sent |= basic(self.common_name, password)
        response = fetch(
            server, "POST", path, body=body or self.body(), headers=sent, context=context
        )
        if response.status == 200:
            self.certificate = certificates_of(response.body)[0]
        return response


def certificates_of(body: bytes) -> list[x509.Certificate]:
    """Certificates of a base64 certs-only answer."""
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
