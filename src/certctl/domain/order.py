"""The order: everything a certificate will hold, and why. Only the authority fulfils one.

An order is made by ``enroll.authorize`` from an authenticated request and checked
again in the authority, which trusts nothing in it that it can check itself.
"""

from __future__ import annotations

from msgspec import Struct

from certctl.domain.profiles import AuthMode, Operation


class Order(Struct, frozen=True, kw_only=True):
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
        via: the trusted proxy that spoke for the caller, or empty.
        registration_authority: the credential is one, and asks for somebody else.
        renews: id of the certificate that is renewed, or None.
        grace_us: how long what is renewed may have been expired.
        supersedes: what is renewed is revoked once the new certificate is on record.
        renames: the names are others than those of what is renewed (RFC 6402 §2.8).
        limit_24h: certificates that this name may have from this source within 24
            hours; 0 is no limit. Whom it counts for is the authority's to derive.
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
    via: str = ""
    credential_issuer: str = ""
    registration_authority: bool = False
    renews: str | None = None
    grace_us: int = 0
    supersedes: bool = False
    renames: bool = False
    limit_24h: int = 0
    tenant: str | None = None

    @property
    def shows_renewed(self) -> bool:
        """The certificate shown is the one renewed: not so without one, nor for a
        registration authority, which shows its own and names the device's.
        """
        return self.credential is not None and not self.registration_authority


class Issued(Struct, frozen=True, kw_only=True):
    """The answer to an order: the certificate on record for it (DER).

    ``repeated`` says that this very request had been answered before.
    """

    der: bytes
    repeated: bool = False
