"""A small hierarchy that is the same in every process: keys from fixed octets, Ed25519
signatures without chance. So a found input means the same wherever it is replayed, and no
private key has to be kept in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certctl.wire.der import BIT_STRING, SEQUENCE, encode

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
AFTER = datetime(2035, 1, 1, tzinfo=UTC)

ED25519 = bytes.fromhex("300506032b6570")

ROOT_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"root" * 8)
MIDDLE_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"midl" * 8)
LEAF_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"leaf" * 8)

Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def made(
    subject: str,
    key: ed25519.Ed25519PrivateKey,
    *,
    issuer: str,
    signer: ed25519.Ed25519PrivateKey,
    extensions: Extensions,
    not_before: datetime = BEFORE,
    not_after: datetime = AFTER,
) -> x509.Certificate:
    """A certificate; the same arguments give the same octets."""
    builder = x509.CertificateBuilder(
        issuer_name=name(issuer),
        subject_name=name(subject),
        public_key=key.public_key(),
        serial_number=0x4000 + len(subject),
        not_valid_before=not_before,
        not_valid_after=not_after,
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(signer, None)


def key_usage(*, signs: bool = False, certifies: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(signs, False, False, False, False, certifies, certifies, False, False)


AUTHORITY: Extensions = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (key_usage(certifies=True), True),
)


@cache
def root() -> bytes:
    """The anchor (DER)."""
    made_root = made(
        "fuzz root", ROOT_KEY, issuer="fuzz root", signer=ROOT_KEY, extensions=AUTHORITY
    )
    return made_root.public_bytes(Encoding.DER)


@cache
def middle() -> bytes:
    """The certificate between anchor and leaves (DER)."""
    made_middle = made(
        "fuzz middle", MIDDLE_KEY, issuer="fuzz root", signer=ROOT_KEY, extensions=AUTHORITY
    )
    return made_middle.public_bytes(Encoding.DER)


def sealed(tbs: bytes, signer: ed25519.Ed25519PrivateKey) -> bytes:
    """A certificate around any TBSCertificate."""
    return encode(SEQUENCE, tbs, ED25519, encode(BIT_STRING, b"\x00", signer.sign(tbs)))
