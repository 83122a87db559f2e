"""Another time and place for the settings; certificate files to name in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from certctl.settings import Finding, Settings

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Load = Callable[..., Settings]
Refuse = Callable[..., tuple[Finding, ...]]


class Files:
    """Writes certificates and keys into one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())

    def write(self, name: str, octets: bytes, mode: int = 0o600) -> str:
        path = self.directory / name
        path.write_bytes(octets)
        path.chmod(mode)
        return str(path)

    def certificate_pem(
        self,
        *,
        days: float = 1000,
        cn: str = "ca",
        dns: str = "",
        usage: str = "",
        key: Key | None = None,
    ) -> bytes:
        key = key or self.key
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cn)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=2000))
            .not_valid_after(NOW + dt.timedelta(days=days))
        )
        if dns:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(each) for each in dns.split(",")]), False
            )
        if usage:
            purpose = x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)])
            builder = builder.add_extension(purpose, critical=False)
        algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(key, algorithm).public_bytes(Encoding.PEM)

    def crl_pem(self, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
        return (
            x509.CertificateRevocationListBuilder()
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")]))
            .last_update(NOW)
            .next_update(NOW + dt.timedelta(days=1))
            .sign(key or self.key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )

    def key_pem(self, key: Key | None = None, passphrase: bytes = b"") -> bytes:
        return (key or self.key).private_bytes(
            Encoding.PEM,
            PrivateFormat.PKCS8,
            BestAvailableEncryption(passphrase) if passphrase else NoEncryption(),
        )


def profile(name: str = "corp", **settings: str) -> dict[str, str]:
    """Variables of EST with one profile, which has an issuer and a good password."""
    infix = name.upper().replace("-", "_")
    family = {"ISSUER_ID": "iss-local", "ENROLLMENT_PASSWORD": "correct horse battery"} | settings
    return {
        "EST_ENABLED": "true",
        "EST_PROFILES": name,
        **{f"EST_PROFILE_{infix}_{key}": text for key, text in family.items() if text},
    }
