"""Certificates that devices show: of another CA, or this server's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.harness.device import Device, name
from tests.harness.server import RunningServer

A_DAY = timedelta(days=1)


def strange_device(directory: Path, common_name: str) -> tuple[Device, Path]:
    """A device with a good certificate of a CA nobody here knows, and its chain file
    (device, then CA).
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = name("Another CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    device = Device(directory, common_name)
    device.certificate = (
        _builder(name(common_name), ca_name, device.key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    device.certificate.verify_directly_issued_by(ca)
    chain = directory / f"{common_name}.chain.pem"
    chain.write_bytes(_pem(device.certificate) + _pem(ca))
    return device, chain


def own_device(server: RunningServer, directory: Path, common_name: str) -> Device:
    """A device with a certificate of this server's own."""
    device = Device(directory, common_name)
    response = device.enroll(
        server, "/.well-known/est/demo/simpleenroll", password=password(server)
    )
    assert response.status == 200, response.text
    return device


def password(server: RunningServer) -> str:
    """The enrollment password that the quick start wrote for its user."""
    return (server.directory / "demo" / "enrollment-password").read_text().strip()


def load(path: Path) -> x509.Certificate:
    """The only certificate of a PEM file."""
    (certificate,) = x509.load_pem_x509_certificates(path.read_bytes())
    return certificate


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - A_DAY)
        .not_valid_after(now + A_DAY)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
