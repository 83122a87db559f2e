"""CsrAttrs: what a client should put into its CSR (RFC 7030 §4.5.2, RFC 8951 §3.5).

Tells exactly what is enforced, in the form of RFC 8951: extendedKeyUsage inside an
extensionRequest attribute (never as bare OIDs), a key type with its size or curve only
where there is no choice, and bare OIDs for attributes whose value the client knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.keys import MIN_RSA_BITS, AllowedKey, KeyAlgorithm
from certctl.domain.policy import CertificateProfile
from certctl.wire.attributes import CHALLENGE_PASSWORD, EST_IDENTITY_LINKING, EXTENSION_REQUEST
from certctl.wire.certificate import extension
from certctl.wire.der import INTEGER, SEQUENCE, SET, encode, encode_oid
from certctl.wire.extensions import EXTENDED_KEY_USAGE

_CURVES = ((256, "1.2.840.10045.3.1.7"), (384, "1.3.132.0.34"), (521, "1.3.132.0.35"))

_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_RSA_ENCRYPTION = "1.2.840.113549.1.1.1"

_FIXED_SIZE = {
    KeyAlgorithm.ED25519: "1.3.101.112",
    KeyAlgorithm.ED448: "1.3.101.113",
    KeyAlgorithm.ML_DSA_44: "2.16.840.1.101.3.4.3.17",
    KeyAlgorithm.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
    KeyAlgorithm.ML_DSA_87: "2.16.840.1.101.3.4.3.19",
}


def csrattrs_of(profile: CertificateProfile, *, binding_required: bool = False) -> bytes:
    """CsrAttrs (DER) for a certificate profile; empty when there is nothing to say.

    ``binding_required`` asks for the two attributes that carry a channel binding.
    """
    keys = profile.allowed_key_algorithms
    return encode_csrattrs(
        ekus=profile.allowed_ekus,
        key=keys[0] if len(keys) == 1 else None,
        attributes=(CHALLENGE_PASSWORD, EST_IDENTITY_LINKING) if binding_required else (),
    )


def encode_csrattrs(
    *, ekus: Sequence[str] = (), key: AllowedKey | None = None, attributes: Sequence[str] = ()
) -> bytes:
    """CsrAttrs ::= SEQUENCE OF AttrOrOID (DER); empty when nothing is given.

    Args:
        ekus: dotted OIDs of the extendedKeyUsage to ask for.
        key: the one key type allowed.
        attributes: dotted OIDs of attributes to be sent.

    Raises:
        DerError: one of the OIDs is none.
    """
    parts = [encode_oid(dotted) for dotted in attributes]
    if key is not None:
        parts.append(_key_type(key))
    if ekus:
        usage = extension(EXTENDED_KEY_USAGE, encode(SEQUENCE, *map(encode_oid, ekus)))
        parts.append(_attribute(EXTENSION_REQUEST, encode(SEQUENCE, usage)))
    return encode(SEQUENCE, *parts) if parts else b""


def _key_type(key: AllowedKey) -> bytes:
    """RFC 7030 §4.5.2: the key's algorithm with its curve or size as the value."""
    if key.algorithm is KeyAlgorithm.ECDSA:
        curve = next((oid for size, oid in _CURVES if size >= key.min_size), _CURVES[-1][1])
        return _attribute(_EC_PUBLIC_KEY, encode_oid(curve))
    if key.algorithm is KeyAlgorithm.RSA:
        size = max(key.min_size, MIN_RSA_BITS)
        octets = size.to_bytes(size.bit_length() // 8 + 1, "big")
        return _attribute(_RSA_ENCRYPTION, encode(INTEGER, octets))
    return encode_oid(_FIXED_SIZE[key.algorithm])


def _attribute(dotted: str, value: bytes) -> bytes:
    return encode(SEQUENCE, encode_oid(dotted), encode(SET, value))
