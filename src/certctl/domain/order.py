"""The order: everything a certificate will hold, and why. Only the authority fulfils one.

An order is made by ``enroll.authorize`` from an authenticated request and checked
again in the authority, which trusts nothing in it that it can check itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from certctl.domain.profiles import AuthMode, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One certificate to be issued.

    Attributes:
        request_id: shown to the client and in records.
        subject_der: Name (DER), copied byte for byte from the CSR.
        spki_der: SubjectPublicKeyInfo (DER).
        san_der: GeneralNames (DER) for subjectAltName, or empty.
        key_agreement: the CSR asked for keyAgreement on an EC key.
        csr_der: the request, values of challenge attributes removed.
        csr_sha256: SHA-256 of the request as it came.
        repetition_key: SHA-256 that is equal for "the same request again" (policy §5).
        credential: SHA-256 fingerprint of the client certificate, or None.
        credential_own: that certificate is on record here and must still be valid there.
        registration_authority: the credential is one, and asks for somebody else.
        renews: id of the certificate that is renewed, or None.
    """

    request_id: str
    operation: Operation
    profile: str
    certificate_profile: str
    issuer_id: str
    principal: str
    auth_mode: AuthMode
    source_address: str
    tls_version: str
    channel_binding: str
    subject_der: bytes
    spki_der: bytes
    san_der: bytes
    key_agreement: bool
    csr_der: bytes
    csr_sha256: bytes
    repetition_key: bytes
    credential: bytes | None = None
    credential_own: bool = False
    credential_subject: str = ""
    credential_serial: str = ""
    credential_issuer: str = ""
    registration_authority: bool = False
    renews: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The answer to an order: the certificate on record for it (DER).

    ``repeated`` says that this very request had been answered before.
    """

    der: bytes
    repeated: bool = False
