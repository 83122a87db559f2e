"""What OCSP says of a certificate, and what it says when it says nothing (RFC 6960 §4.2.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from certctl.domain.revocation import RevocationReason


class OcspError(StrEnum):
    """OCSPResponseStatus of an answer without a status."""

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
"""CertStatus: ``unknown`` means never issued here."""
