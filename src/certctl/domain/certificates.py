"""A certificate on record (records §3)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class CertificateStatus(StrEnum):
    """Stored status; ``expired`` is derived from ``not_after_us`` and never stored."""

    VALID = "valid"
    REVOKED = "revoked"


class CertificateSource(StrEnum):
    """How a certificate came onto the record.

    ``orphan``: a CA outside issued it, and nobody gets it: it is not what was ordered, or
    came after its intent had been given up (records §2). It stands as revoked.
    """

    EST = "EST"
    API = "API"
    INTERNAL = "internal"
    ORPHAN = "orphan"


class CertificateRecord(Struct, frozen=True, kw_only=True):
    """One row of the inventory, all of it.

    Attributes:
        id: 32 hexadecimal characters, unique, sortable by time of issuance.
        serial: lower-case hex of the serial number, without padding.
        profile: path ID of the EST profile; the legacy profile's is empty.
        subject: text after RFC 4514, for people; ``subject_der`` decides.
        sans: one text per name, ``dns:…``, ``ip:…``, ``email:…``, ``uri:…``, ``upn:…``.
        san_der: value of the subjectAltName extension (GeneralNames, DER), or empty.
        spki_sha256: hash of the SubjectPublicKeyInfo (DER).
        fingerprint: SHA-256 of ``der``.
        csr_der: the request with the values of challenge attributes removed.
        csr_sha256: hash of the request as it came.
        renews: id of the certificate this one renews, if any.
        crl_partition: whose URL is its CRL distribution point; None where that is the
            full CRL's, or there is none.
    """

    id: str
    serial: str
    profile: str
    certificate_profile: str
    issuer_id: str
    principal: str
    auth_mode: str
    subject: str
    subject_der: bytes
    sans: tuple[str, ...]
    san_der: bytes
    key_algorithm: str
    spki_sha256: bytes
    fingerprint: bytes
    not_before_us: int
    not_after_us: int
    issued_us: int
    der: bytes
    csr_der: bytes
    csr_sha256: bytes
    source: CertificateSource
    source_address: str
    tls_version: str
    channel_binding: str
    renews: str | None = None
    status: CertificateStatus = CertificateStatus.VALID
    revoked_us: int | None = None
    revocation_reason: str | None = None
    tenant: str | None = None
    crl_partition: int | None = None


class CertificateKey(NamedTuple):
    """What a certificate is found by: ``serial`` leads to it, ``fingerprint`` proves it.

    Serial numbers of ours rise with time, so their index grows at one end; an index of
    fingerprints would touch a random page with each certificate.
    """

    serial: str
    fingerprint: bytes


class KeyUse(NamedTuple):
    """One unexpired certificate for a key, revoked or not: whose identity it holds."""

    certificate_id: str
    subject_der: bytes
    san_der: bytes


class KeyFacts(Struct, frozen=True, kw_only=True):
    """What is on record about one public key.

    Attributes:
        compromised: it is known to be in wrong hands.
        uses: certificates that hold it and have not expired, orphans left out.
    """

    compromised: bool = False
    uses: tuple[KeyUse, ...] = ()


class CertificateState(Struct, frozen=True, kw_only=True):
    """What the gates ask of a certificate on record: whose it is and whether it holds."""

    id: str
    fingerprint: bytes
    serial: str
    profile: str
    status: CertificateStatus
    not_before_us: int
    not_after_us: int
    subject_der: bytes
    san_der: bytes
    revocation_reason: str | None = None
