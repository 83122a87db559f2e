"""What OCSP says of a certificate, and what it says when it says nothing (RFC 6960 §4.2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from certctl.domain.clock import SECOND_US
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspAnswer:
    """An OCSPResponse (DER) and how long it may be given again.

    Attributes:
        produced_us: producedAt and thisUpdate, microseconds since the epoch.
        next_update_us: nextUpdate.
        fresh_until_us: until when it is given again; equal to ``produced_us`` for one
            that must not be (nonce, several certificates, ``unknown``).
        etag: of HTTP, without quotes.
        serial: of the certificate it is about (hex), where it is given again; else empty.
        standing: what it says of the (first) certificate.
    """

    der: bytes
    produced_us: int
    next_update_us: int
    fresh_until_us: int
    etag: str
    serial: str
    standing: CertificateStanding

    def max_age_s(self, now_us: int) -> int:
        """Seconds for Cache-Control: ends before nextUpdate; 0 means no-store."""
        return max(0, (self.fresh_until_us - now_us) // SECOND_US)
