"""CsrAttrs read by a client (RFC 7030 §4.5.2, RFC 8951 §3.5): what a server asks for.

Strict DER; a server whose list cannot be read this way breaks devices.
"""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.names import KEYWORDS
from certctl.wire.attributes import CHALLENGE_PASSWORD, EST_IDENTITY_LINKING, EXTENSION_REQUEST
from certctl.wire.csr_template import REQUEST_TEMPLATE
from certctl.wire.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DerError,
    children,
    decode_oid,
    expect,
    read,
    read_unsigned,
)
from certctl.wire.extensions import EXTENDED_KEY_USAGE, decode_extensions
from certctl.wire.key_types import EC_PUBLIC_KEY, FIXED_SIZE, RSA_ENCRYPTION

NAMES = {
    CHALLENGE_PASSWORD: "challengePassword",
    EST_IDENTITY_LINKING: "estIdentityLinking",
    EXTENSION_REQUEST: "extensionRequest",
    REQUEST_TEMPLATE: "certificationRequestInfoTemplate",
    EXTENDED_KEY_USAGE: "extendedKeyUsage",
    EC_PUBLIC_KEY: "ecPublicKey",
    RSA_ENCRYPTION: "rsaEncryption",
    "1.2.840.10045.3.1.7": "P-256",
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.1.1.1.22": "macAddress",
    **{oid: algorithm.value for algorithm, oid in FIXED_SIZE.items()},
    **KEYWORDS,
}
"""For people; an OID that is not here is shown as it is."""

_MAX_SIZE = 4
"""Octets of a key size in bits. Python writes no number of thousands of digits as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One AttrOrOID: its OID, and its values (DER), none for a bare OID."""

    oid: str
    values: tuple[bytes, ...] = ()


def decode_csrattrs(der: bytes) -> tuple[Asked, ...]:
    """CsrAttrs ::= SEQUENCE SIZE (0..MAX) OF AttrOrOID.

    Raises:
        DerError: not of that form.
    """
    start, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the list")
    return tuple(_asked(der, *each) for each in children(der, start, end))


def described(asked: Asked) -> str:
    """One line for people.

    Raises:
        DerError: a value that is not of its type's form.
    """
    name = NAMES.get(asked.oid, asked.oid)
    if not asked.values:
        return name
    return f"{name}: {', '.join(_value(asked.oid, value) for value in asked.values)}"


def _asked(der: bytes, tag: int, _offset: int, content: int, end: int) -> Asked:
    if tag == OBJECT_IDENTIFIER:
        return Asked(oid=decode_oid(der[content:end]))
    if tag != SEQUENCE:
        raise DerError("neither an OID nor an attribute")
    oid, oid_end = expect(der, content, end, OBJECT_IDENTIFIER)
    values, stop = expect(der, oid_end, end, SET)
    if stop != end:
        raise DerError("octets after an attribute")
    held = tuple(der[at:to] for _, at, _, to in children(der, values, stop))
    if not held:
        raise DerError("an attribute without a value")
    return Asked(oid=decode_oid(der[oid:oid_end]), values=held)


def _value(oid: str, der: bytes) -> str:
    tag, start, end = read(der, 0, len(der))
    if tag == OBJECT_IDENTIFIER:
        dotted = decode_oid(der[start:end])
        return NAMES.get(dotted, dotted)
    if tag == INTEGER and oid == RSA_ENCRYPTION:
        if end - start > _MAX_SIZE:
            raise DerError("no size of a key")
        return f"{read_unsigned(der[start:end])} bits"
    if oid == EXTENSION_REQUEST:
        return ", ".join(_extension(each.oid, each.value) for each in decode_extensions(der))
    return der.hex()


def _extension(oid: str, der: bytes) -> str:
    name = NAMES.get(oid, oid)
    if oid != EXTENDED_KEY_USAGE:
        return name
    start, end = expect(der, 0, len(der), SEQUENCE)
    usages = [decode_oid(der[at:to]) for _, _, at, to in children(der, start, end)]
    return f"{name} {' '.join(NAMES.get(each, each) for each in usages)}"
