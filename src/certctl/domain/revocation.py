"""Why a certificate is revoked (RFC 5280 §5.3.1), and what may follow what (records §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RevocationReason(StrEnum):
    """Reasons that can be given; removeFromCRL is only ever written by delta CRLs."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"

    @property
    def code(self) -> int:
        """The number that CRLs and OCSP answers carry."""
        return _CODES[self]


_CODES = {
    RevocationReason.UNSPECIFIED: 0,
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.CA_COMPROMISE: 2,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
    RevocationReason.CERTIFICATE_HOLD: 6,
    RevocationReason.PRIVILEGE_WITHDRAWN: 9,
    RevocationReason.AA_COMPROMISE: 10,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What a revocation found or did.

    ``already`` says that the certificate had been revoked before; then ``revoked_us``
    and ``reason`` are those of the first revocation, unchanged.
    """

    certificate_id: str
    serial: str
    revoked_us: int
    reason: RevocationReason
    already: bool = False


def may_revoke(present: RevocationReason | None, wanted: RevocationReason) -> bool:
    """Whether a revocation changes anything: a hold gives way to any other reason."""
    if present is None:
        return True
    hold = RevocationReason.CERTIFICATE_HOLD
    return present is hold and wanted is not hold
