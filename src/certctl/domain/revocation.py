"""Why a certificate no longer holds, and what OCSP answers when it has no status.

The names are those of RFC 5280 §5.3.1 and RFC 6960 §4.2.1, also in records and on the
API; the numbers are what stands in DER.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias


class RevocationReason(StrEnum):
    """CRLReason; a CRL and an OCSP answer leave ``unspecified`` out."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    REMOVE_FROM_CRL = "removeFromCRL"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"

    @property
    def code(self) -> int:
        """Value of the ENUMERATED; 7 was never given out."""
        return _CODES[self]


_CODES = {
    reason: number if number < 7 else number + 1 for number, reason in enumerate(RevocationReason)
}

CrlEntry: TypeAlias = tuple[bytes, int, RevocationReason]
"""Serial number (octets, big-endian), time of revocation in microseconds, reason.

A bare tuple, because a CRL may have millions of them.
"""


class OcspError(StrEnum):
    """OCSPResponseStatus of an answer without a status (RFC 6960 §4.2.1)."""

    MALFORMED_REQUEST = "malformedRequest"
    INTERNAL_ERROR = "internalError"
    TRY_LATER = "tryLater"
    UNAUTHORIZED = "unauthorized"


class Revoked(NamedTuple):
    """When and why a certificate was revoked; the time in microseconds since the epoch."""

    revoked_us: int
    reason: RevocationReason


class Standing(StrEnum):
    """What is known of a certificate that is not revoked."""

    GOOD = "good"
    UNKNOWN = "unknown"


CertificateStanding: TypeAlias = Standing | Revoked
"""CertStatus of OCSP (RFC 6960 §4.2.1): ``unknown`` means never issued here."""
