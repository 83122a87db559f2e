"""CsrAttrs: what a client should put into its CSR (RFC 7030 §4.5.2, RFC 8951, RFC 9908).

Tells exactly what is enforced, in the form of RFC 8951: extendedKeyUsage inside an
extensionRequest attribute (never as bare OIDs), a key type with its size or curve only
where there is no choice, and bare OIDs for what must be there with a value that the
client knows. ``wire.csr_template`` is the newer form, which may stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.keys import MIN_RSA_BITS, AllowedKey, KeyAlgorithm
from certctl.domain.policy import CertificateProfile
from certctl.wire.attributes import CHALLENGE_PASSWORD, EST_IDENTITY_LINKING, EXTENSION_REQUEST
from certctl.wire.certificate import extension
from certctl.wire.csr_template import request_template
from certctl.wire.der import INTEGER, SEQUENCE, SET, encode, encode_oid
from certctl.wire.extensions import EXTENDED_KEY_USAGE
from certctl.wire.key_types import EC_PUBLIC_KEY, FIXED_SIZE, RSA_ENCRYPTION, curve_for


def csrattrs_of(
    profile: CertificateProfile, *, binding_required: bool = False, template: bool = False
) -> bytes:
    """CsrAttrs (DER) for a certificate profile; empty when there is nothing to say.

    ``binding_required`` asks for the two attributes that carry a channel binding,
    ``template`` adds the certificationRequestInfoTemplate of RFC 9908.
    """
    keys = profile.allowed_key_algorithms
    key = keys[0] if len(keys) == 1 else None
    bindings = (CHALLENGE_PASSWORD, EST_IDENTITY_LINKING) if binding_required else ()
    wanted = dict.fromkeys(
        (
            *bindings,
            *profile.required_csr_attributes,
            *(pattern.oid for pattern in profile.required_subject_patterns),
        )
    )
    # Asked for with its value already.
    wanted.pop(EXTENDED_KEY_USAGE if profile.allowed_ekus else "", None)
    added = request_template(profile, key=key, bindings=bindings) if template else b""
    return encode_csrattrs(
        ekus=profile.allowed_ekus, key=key, attributes=tuple(wanted), template=added
    )


def encode_csrattrs(
    *,
    ekus: Sequence[str] = (),
    key: AllowedKey | None = None,
    attributes: Sequence[str] = (),
    template: bytes = b"",
) -> bytes:
    """CsrAttrs ::= SEQUENCE OF AttrOrOID (DER); empty when nothing is given.

    Args:
        ekus: dotted OIDs of the extendedKeyUsage to ask for.
        key: the one key type allowed.
        attributes: dotted OIDs of attributes to be sent.
        template: the attribute (DER) of RFC 9908, or empty.

    Raises:
        DerError: one of the OIDs is none.
    """
    parts = [encode_oid(dotted) for dotted in attributes]
    if key is not None:
        parts.append(_key_type(key))
    if ekus:
        usage = extension(EXTENDED_KEY_USAGE, encode(SEQUENCE, *map(encode_oid, ekus)))
        parts.append(_attribute(EXTENSION_REQUEST, encode(SEQUENCE, usage)))
    if template:
        parts.append(template)
    return encode(SEQUENCE, *parts) if parts else b""


def _key_type(key: AllowedKey) -> bytes:
    """RFC 7030 §4.5.2: the key's algorithm with its curve or size as the value."""
    if key.algorithm is KeyAlgorithm.ECDSA:
        return _attribute(EC_PUBLIC_KEY, encode_oid(curve_for(key)))
    if key.algorithm is KeyAlgorithm.RSA:
        size = max(key.min_size, MIN_RSA_BITS)
        octets = size.to_bytes(size.bit_length() // 8 + 1, "big")
        return _attribute(RSA_ENCRYPTION, encode(INTEGER, octets))
    return encode_oid(FIXED_SIZE[key.algorithm])


def _attribute(dotted: str, value: bytes) -> bytes:
    return encode(SEQUENCE, encode_oid(dotted), encode(SET, value))
