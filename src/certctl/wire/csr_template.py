"""certificationRequestInfoTemplate (RFC 9908 §3.4): a CSR with blanks, for newer clients.

A client that knows it uses it alone, so it says everything the older form says: subject
attributes without values, the key's type, extensions. What is not required is left out:
RFC 9908 has a client take nothing for granted that is absent.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.keys import MIN_RSA_BITS, AllowedKey, KeyAlgorithm
from certctl.domain.names import OIDS
from certctl.domain.policy import CertificateProfile
from certctl.wire.attributes import EXTENSION_REQUEST
from certctl.wire.certificate import extension
from certctl.wire.der import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    SET,
    encode,
    encode_oid,
    encode_set,
)
from certctl.wire.extensions import EXTENDED_KEY_USAGE
from certctl.wire.key_types import EC_PUBLIC_KEY, FIXED_SIZE, RSA_ENCRYPTION, curve_for

REQUEST_TEMPLATE = "1.2.840.113549.1.9.16.2.61"
EXTENSION_TEMPLATE = "1.2.840.113549.1.9.16.2.62"

_VERSION_1 = b"\x02\x01\x00"
_NULL = b"\x05\x00"
_KEY = 0xA0
_ATTRIBUTES = 0xA1

_EXTENSION_ARC = "2.5.29."
# The attributes that RFC 2985 §5.2 allows in a name and in a request alike are meant as
# parts of the name; the rest of its keywords stand nowhere else.
_SUBJECT_TYPES = frozenset(OIDS.values())


def request_template(
    profile: CertificateProfile, *, key: AllowedKey | None, bindings: Sequence[str] = ()
) -> bytes:
    """The attribute (DER) of CsrAttrs that holds the template; empty without any attribute.

    Args:
        profile: whose rules it tells.
        key: the one key type allowed, or None where there is a choice.
        bindings: dotted OIDs of the attributes that carry a channel binding.
    """
    required = profile.required_csr_attributes
    patterned = (pattern.oid for pattern in profile.required_subject_patterns)
    subject = dict.fromkeys((*(oid for oid in required if oid in _SUBJECT_TYPES), *patterned))
    extensions = [oid for oid in required if oid.startswith(_EXTENSION_ARC)]
    attributes = [
        oid
        for oid in dict.fromkeys((*bindings, *required))
        if oid not in _SUBJECT_TYPES and oid not in extensions
    ]
    asked = [_attribute(oid) for oid in attributes]
    asked += _extensions(profile.allowed_ekus, extensions)
    if not asked:
        # Its attributes are at least one (RFC 9908's module); the older form says the rest.
        return b""
    content = encode(
        SEQUENCE,
        _VERSION_1,
        _subject(tuple(subject)) if subject else b"",
        _key(key) if key is not None else b"",
        encode_set(_ATTRIBUTES, *asked),
    )
    return _attribute(REQUEST_TEMPLATE, content)


def _subject(types: Sequence[str]) -> bytes:
    """NameTemplate: RDNs of one attribute type each, whose value the client knows."""
    rdns = (encode(SET, encode(SEQUENCE, encode_oid(oid))) for oid in types)
    return encode(SEQUENCE, *rdns)


def _key(key: AllowedKey) -> bytes:
    """SubjectPublicKeyInfoTemplate, the key itself absent, save for RSA: there a
    placeholder of the wanted size stands for it.
    """
    match key.algorithm:
        case KeyAlgorithm.ECDSA:
            algorithm = encode(SEQUENCE, encode_oid(EC_PUBLIC_KEY), encode_oid(curve_for(key)))
            return encode(_KEY, algorithm)
        case KeyAlgorithm.RSA:
            algorithm = encode(SEQUENCE, encode_oid(RSA_ENCRYPTION), _NULL)
            modulus = 1 << (max(key.min_size, MIN_RSA_BITS) - 1)
            octets = modulus.to_bytes(modulus.bit_length() // 8 + 1, "big")
            numbers = encode(SEQUENCE, encode(INTEGER, octets), encode(INTEGER, b"\x01\x00\x01"))
            return encode(_KEY, algorithm, encode(BIT_STRING, b"\x00", numbers))
        case fixed:
            return encode(_KEY, encode(SEQUENCE, encode_oid(FIXED_SIZE[fixed])))


def _extensions(ekus: Sequence[str], required: Sequence[str]) -> list[bytes]:
    """One attribute or none: RFC 9908 §3.4 forbids the full and the partial list together."""
    full = {}
    if ekus:
        usage = encode(SEQUENCE, *map(encode_oid, ekus))
        full[EXTENDED_KEY_USAGE] = extension(EXTENDED_KEY_USAGE, usage)
    partial = [encode(SEQUENCE, encode_oid(oid)) for oid in required if oid not in full]
    if partial:
        return [_attribute(EXTENSION_TEMPLATE, encode(SEQUENCE, *full.values(), *partial))]
    return [_attribute(EXTENSION_REQUEST, encode(SEQUENCE, *full.values()))] if full else []


def _attribute(dotted: str, *values: bytes) -> bytes:
    return encode(SEQUENCE, encode_oid(dotted), encode(SET, *values))
