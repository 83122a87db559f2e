"""CertificationRequest (PKCS#10, RFC 2986) from DER, its proof, and what records keep.

``cryptography`` judges first whether the whole is strict DER; then our own slices name
the parts without recursion, so that depth and giant values cost nothing. Nothing is
guessed: whatever could be read in two ways is refused.
"""

from __future__ import annotations

from cryptography import x509

from certctl.domain.csr import Attribute, Csr
from certctl.domain.errors import RequestMalformed
from certctl.domain.keys import check_strength, load_public_key
from certctl.wire.attributes import (
    SECRETS,
    bindings_of,
    decode_attributes,
    requested_extensions,
)
from certctl.wire.change_subject import changed_names
from certctl.wire.der import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    DerError,
    encode,
    expect,
    read,
)
from certctl.wire.extensions import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    SUBJECT_ALT_NAME,
    decode_basic_constraints,
    decode_extended_key_usage,
    decode_key_usage,
)
from certctl.wire.signature import check_proof

_ATTRIBUTES = 0xA0
_VERSION_0 = b"\x02\x01\x00"

# What the library calls an indefinite or longer than needed length, a SET (attributes,
# a multi-valued RDN) out of order, and a default that is written out.
_BER_FAULTS = ("InvalidLength", "InvalidSetOrdering", "EncodedDefault")


def decode_pkcs10(der: bytes) -> Csr:
    """Read one request; its signature is not verified here.

    Raises:
        RequestMalformed: ``empty``, ``not_pkcs10``, ``ber``, ``trailing_bytes``,
            ``attribute`` or ``extension``, with a note on what and where.
        PolicyViolation: ``key_algorithm`` or ``weak_key``: a key that cannot be used.
    """
    try:
        x509.load_der_x509_csr(der)
    except (ValueError, x509.InvalidVersion) as err:
        raise _explained(der, err) from err
    try:
        return _slice(der)
    except DerError as err:
        raise RequestMalformed("not_pkcs10", str(err)) from err


def verify_signature(csr: Csr) -> None:
    """Prove that the sender holds the key (gate 6 of est §2).

    The strength comes first: a giant RSA key is not worth the time of a verification.

    Raises:
        PolicyViolation: ``key_size`` or ``weak_key``, whatever the profile allows.
        SignatureWrong: the signature does not hold, or uses SHA-1 or MD5.
    """
    check_strength(csr.public_key)
    check_proof(csr)


def strip_challenges(csr: Csr) -> bytes:
    """The request (DER) for the record: without the attributes that hold challenges.

    The whole attribute is left out, because one without values is no PKCS#10 and could
    not be read again. The signature then no longer verifies; ``csr_sha256`` of the
    order ties the record to what was signed. Without such attributes, the original.
    """
    kept = [attribute.der for attribute in csr.attributes if attribute.oid not in SECRETS]
    if len(kept) == len(csr.attributes):
        return csr.der
    return encode(
        SEQUENCE,
        encode(SEQUENCE, _VERSION_0, csr.subject_der, csr.spki_der, encode(_ATTRIBUTES, *kept)),
        csr.signature_algorithm,
        encode(BIT_STRING, b"\x00", csr.signature),
    )


def repetition_input(csr: Csr) -> bytes:
    """Octets that are equal for "the same request again" (policy §5).

    Public key, subject and attributes (requested extensions among them), without the
    signature and without the attributes that bind to one connection. DER keeps the
    attributes in one order, and keeps each part from running into the next.
    """
    kept = (attribute.der for attribute in csr.attributes if attribute.oid not in SECRETS)
    return b"".join((csr.spki_der, csr.subject_der, *kept))


def _explained(der: bytes, err: Exception) -> RequestMalformed:
    """Why the library refused; the commonest accidents get their own words."""
    if not der:
        return RequestMalformed("empty")
    if der[0] != SEQUENCE:
        return RequestMalformed("not_pkcs10", f"begins with octet {der[0]:#04x}, not 0x30")
    if der[1:2] == b"\x80":
        return RequestMalformed("ber", "indefinite length")
    try:
        _, _, end = read(der, 0, len(der))
    except DerError as cut:
        return RequestMalformed("not_pkcs10", str(cut))
    if end != len(der):
        return RequestMalformed("trailing_bytes", f"{len(der) - end} octets after the request")
    text = str(err)
    ber = any(fault in text for fault in _BER_FAULTS)
    return RequestMalformed("ber" if ber else "not_pkcs10", text[:200])


def _slice(der: bytes) -> Csr:
    start, end = expect(der, 0, len(der), SEQUENCE)
    info, info_end = expect(der, start, end, SEQUENCE)
    _, algorithm_end = expect(der, info_end, end, SEQUENCE)
    signature, signature_end = expect(der, algorithm_end, end, BIT_STRING)
    if signature_end != end or der[signature : signature + 1] != b"\x00":
        raise DerError("not a whole signature")

    _, version_end = expect(der, info, info_end, INTEGER)
    _, subject_end = expect(der, version_end, info_end, SEQUENCE)
    _, spki_end = expect(der, subject_end, info_end, SEQUENCE)
    values, values_end = expect(der, spki_end, info_end, _ATTRIBUTES)
    if values_end != info_end:
        raise DerError("octets after the attributes")

    attributes = decode_attributes(der, values, values_end)
    spki = der[subject_end:spki_end]
    return _with_extensions(
        attributes,
        der=der,
        signed=der[start:info_end],
        signature_algorithm=der[info_end:algorithm_end],
        signature=der[signature + 1 : signature_end],
        subject_der=der[version_end:subject_end],
        spki_der=spki,
    )


def _with_extensions(
    attributes: tuple[Attribute, ...],
    *,
    der: bytes,
    signed: bytes,
    signature_algorithm: bytes,
    signature: bytes,
    subject_der: bytes,
    spki_der: bytes,
) -> Csr:
    """Look into what a rule will ask about, then load the key, the dearest part."""
    extensions = requested_extensions(attributes)
    by_oid = {extension.oid: extension.value for extension in extensions}
    looking_at = ""
    try:
        looking_at = "extendedKeyUsage"
        eku = by_oid.get(EXTENDED_KEY_USAGE)
        ekus = decode_extended_key_usage(eku) if eku is not None else ()
        looking_at = "keyUsage"
        usage = by_oid.get(KEY_USAGE)
        key_usage = decode_key_usage(usage) if usage is not None else frozenset()
        looking_at = "basicConstraints"
        constraints = by_oid.get(BASIC_CONSTRAINTS)
        wants_ca = constraints is not None and decode_basic_constraints(constraints)
    except DerError as err:
        raise RequestMalformed("extension", f"{looking_at}: {err}") from err
    return Csr(
        der=der,
        signed=signed,
        signature_algorithm=signature_algorithm,
        signature=signature,
        subject_der=subject_der,
        spki_der=spki_der,
        public_key=load_public_key(spki_der),
        attributes=attributes,
        extensions=extensions,
        san_der=by_oid.get(SUBJECT_ALT_NAME, b""),
        ekus=ekus,
        key_usage=key_usage,
        wants_ca=wants_ca,
        bindings=bindings_of(attributes),
        changed_names=changed_names(attributes),
    )
