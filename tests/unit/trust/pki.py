"""Small hierarchies for tests: any mistake a CA can make, on demand."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certctl.wire.der import BIT_STRING, SEQUENCE, encode

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=not digital_signature and not key_cert_sign,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class Held:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any = field(repr=False)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def make(
    common_name: str,
    *,
    issuer: Held | None = None,
    issuer_name: str | None = None,
    key: Any = None,
    ca: bool | None = None,
    path_length: int | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=365),
    serial: int = 0,
) -> Held:
    """A certificate; self-signed without ``issuer``; ``ca`` None: no BasicConstraints."""
    key = key or ec_key()
    signing = issuer.key if issuer else key
    above = issuer.certificate.subject if issuer else name(issuer_name or common_name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    digest = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Held(builder.sign(signing, digest), key)


def make_ca(common_name: str, **settings: Any) -> Held:
    settings.setdefault("ca", True)
    settings.setdefault("extensions", [(usage(key_cert_sign=True), True)])
    return make(common_name, **settings)


def make_crl(
    issuer: Held,
    *revoked: Held,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    last_update: datetime = NOW - timedelta(days=20),
    next_update: datetime = NOW + timedelta(days=2),
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
) -> bytes:
    """A CRL (PEM) that lists these certificates."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(last_update)
    builder = builder.next_update(next_update)
    for each in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(each.certificate.serial_number)
            .revocation_date(last_update)
            .add_extension(x509.CRLReason(reason), critical=False)
        )
        builder = builder.add_revoked_certificate(entry.build())
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def sealed(tbs: bytes, signer: Held) -> bytes:
    """A certificate around any TBSCertificate; ``signer`` holds a key on P-256."""
    signature = signer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return encode(SEQUENCE, tbs, algorithm, encode(BIT_STRING, b"\x00", signature))


RSA_SHA256 = bytes.fromhex("06092a864886f70d01010b")
RSA_SHA1 = bytes.fromhex("06092a864886f70d010105")


def with_sha1(held: Held, signer: Held, directory: Path) -> Held:
    """The same certificate signed with SHA-1, which only the openssl program still does.

    ``signer`` holds an RSA key, and ``held`` must have been signed with it.
    """
    key_path = directory / "sha1.key"
    key_path.write_bytes(
        signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert held.certificate.tbs_certificate_bytes.count(RSA_SHA256) == 1
    tbs = held.certificate.tbs_certificate_bytes.replace(RSA_SHA256, RSA_SHA1)
    signature = subprocess.run(
        ["openssl", "dgst", "-sha1", "-sign", key_path], input=tbs, capture_output=True, check=True
    ).stdout
    algorithm = encode(SEQUENCE, RSA_SHA1, b"\x05\x00")
    der = encode(SEQUENCE, tbs, algorithm, encode(BIT_STRING, b"\x00", signature))
    return Held(x509.load_der_x509_certificate(der), held.key)
