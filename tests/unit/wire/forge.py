"""Requests made by hand, so that tests can get any octet of them wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.wire.der import (
    BIT_STRING,
    BOOLEAN,
    OCTET_STRING,
    SEQUENCE,
    SET,
    encode,
    encode_oid,
)

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")

UTF8 = 0x0C
PRINTABLE = 0x13
IA5 = 0x16

CN = "2.5.4.3"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT = "1.3.6.1.4.1.311.2.1.14"
CHALLENGE = "1.2.840.113549.1.9.7"
LINKING = "1.2.840.113549.1.9.16.2.58"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def attribute_value(oid: str, text: str, tag: int = UTF8) -> bytes:
    return encode(SEQUENCE, encode_oid(oid), encode(tag, text.encode()))


def name(*pairs: tuple[str, str] | tuple[str, str, int]) -> bytes:
    """A Name of single-valued RDNs."""
    return encode(SEQUENCE, *(encode(SET, attribute_value(*pair)) for pair in pairs))


def attribute(oid: str, *values: bytes) -> bytes:
    return encode(SEQUENCE, encode_oid(oid), encode(SET, *values))


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    flag = encode(BOOLEAN, b"\xff") if critical else b""
    return encode(SEQUENCE, encode_oid(oid), flag, encode(OCTET_STRING, value))


def extensions(*found: bytes, oid: str = EXTENSION_REQUEST) -> bytes:
    return attribute(oid, encode(SEQUENCE, *found))


def eku(*oids: str) -> bytes:
    return extension("2.5.29.37", encode(SEQUENCE, *map(encode_oid, oids)))


def sans(*names: bytes) -> bytes:
    return extension("2.5.29.17", encode(SEQUENCE, *names))


def dns(text: str) -> bytes:
    return encode(0x82, text.encode())


DEVICE = name(("2.5.4.6", "DE", PRINTABLE), ("2.5.4.10", "Acme"), (CN, "device-1"))


def info(
    attributes: Sequence[bytes] = (),
    *,
    subject: bytes = DEVICE,
    spki: bytes = SPKI,
    version: bytes = b"\x02\x01\x00",
) -> bytes:
    """CertificationRequestInfo."""
    return encode(SEQUENCE, version, subject, spki, encode(0xA0, *attributes))


def key_of(subject: bytes) -> ec.EllipticCurvePrivateKey:
    """The key that forged requests of this subject hold: one key, one identity."""
    return KEY if subject == DEVICE else _key_of(subject)


@cache
def _key_of(subject: bytes) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(hashlib.sha256(SPKI + subject).digest()[:31], "big") + 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def sealed(
    signed: bytes,
    *,
    algorithm: bytes = ECDSA_SHA256,
    key: ec.EllipticCurvePrivateKey = KEY,
) -> bytes:
    """A request around its info, signed with SHA-256."""
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return encode(SEQUENCE, signed, algorithm, encode(BIT_STRING, b"\x00", signature))


def request(
    *attributes: bytes,
    subject: bytes = DEVICE,
    spki: bytes | None = None,
    version: bytes = b"\x02\x01\x00",
) -> bytes:
    """A signed PKCS#10 request, its attributes in DER order.

    It holds ``key_of(subject)`` and is signed with that; with ``spki`` by ``KEY``.
    """
    key = key_of(subject) if spki is None else KEY
    held = spki if spki is not None else spki_of(key)
    return sealed(info(sorted(attributes), subject=subject, spki=held, version=version), key=key)


def spki_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def nested(depth: int, innermost: bytes = b"") -> bytes:
    """SEQUENCEs in SEQUENCEs, made from the inside out in linear time."""
    heads: list[bytes] = []
    length = len(innermost)
    for _ in range(depth):
        if length < 0x80:
            head = bytes((SEQUENCE, length))
        elif length < 0x100:
            head = bytes((SEQUENCE, 0x81, length))
        elif length < 0x10000:
            head = bytes((SEQUENCE, 0x82, length >> 8, length & 0xFF))
        else:
            head = bytes((SEQUENCE, 0x83)) + length.to_bytes(3, "big")
        heads.append(head)
        length += len(head)
    return b"".join(reversed(heads)) + innermost
