"""A certificate request (PKCS#10, RFC 2986), parsed once and complete.

``wire.pkcs10`` alone makes these. A ``Csr`` is well formed; that its signature holds
and that policy allows it are the next steps' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from certctl.domain.keys import PublicKey


class KeyUsage(StrEnum):
    """The bits of KeyUsage, RFC 5280 §4.2.1.3, in their order."""

    DIGITAL_SIGNATURE = "digitalSignature"
    CONTENT_COMMITMENT = "contentCommitment"
    KEY_ENCIPHERMENT = "keyEncipherment"
    DATA_ENCIPHERMENT = "dataEncipherment"
    KEY_AGREEMENT = "keyAgreement"
    KEY_CERT_SIGN = "keyCertSign"
    CRL_SIGN = "cRLSign"
    ENCIPHER_ONLY = "encipherOnly"
    DECIPHER_ONLY = "decipherOnly"


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute: its dotted type, its values (DER, tag included), and its own DER."""

    oid: str
    values: tuple[bytes, ...]
    der: bytes


class RequestedExtension(Struct, frozen=True, kw_only=True):
    """One extension asked for; ``value`` is the DER inside the OCTET STRING."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedNames:
    """Names that a renewal asks for instead of its present ones (RFC 6402 §2.8), as DER
    of Name and GeneralNames; None where nothing shall change.
    """

    subject_der: bytes | None
    san_der: bytes | None


class Csr(Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        der: the whole request as it came.
        signed: CertificationRequestInfo (DER), what the signature is over.
        signature_algorithm: AlgorithmIdentifier (DER).
        signature: content of the signature BIT STRING.
        subject_der: Name (DER).
        spki_der: SubjectPublicKeyInfo (DER); ``public_key`` is the same, loaded.
        extensions: all extensions asked for, each type once.
        san_der: GeneralNames (DER) of the subjectAltName asked for, or empty.
        ekus: dotted OIDs of the extendedKeyUsage asked for; empty when not asked.
        key_usage: the KeyUsage bits asked for.
        wants_ca: basicConstraints asks for CA:TRUE or a path length.
        bindings: (attribute OID, text) of each attribute that may carry a channel
            binding (est §4); text may be anything a person typed.
        changed_names: what ChangeSubjectName asks for, if it is there.
    """

    der: bytes
    signed: bytes
    signature_algorithm: bytes
    signature: bytes
    subject_der: bytes
    spki_der: bytes
    public_key: PublicKey
    attributes: tuple[Attribute, ...] = ()
    extensions: tuple[RequestedExtension, ...] = ()
    san_der: bytes = b""
    ekus: tuple[str, ...] = ()
    key_usage: frozenset[KeyUsage] = frozenset()
    wants_ca: bool = False
    bindings: tuple[tuple[str, str], ...] = ()
    changed_names: ChangedNames | None = None
