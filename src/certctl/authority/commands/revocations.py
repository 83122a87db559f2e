"""Commands about revocation, one by one and in bulk (records §4)."""

from __future__ import annotations

import msgspec

from certctl.domain.bulk_revocation import BulkTotals, RevocationCriteria
from certctl.domain.revocation import Revocation, RevocationReason


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``RevocationDone``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


class ReleaseCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="release"):
    """Make a certificate on hold valid again (records §4). Answer: ``CertificateReleased``."""

    certificate_id: str
    actor: str


class CertificateReleased(msgspec.Struct, frozen=True, kw_only=True, tag="released"):
    certificate_id: str
    serial: str
    released_us: int


class BeginBulkRevoke(msgspec.Struct, frozen=True, kw_only=True, tag="begin_bulk_revoke"):
    """Put on record that many will be revoked, and by what they are chosen (records §4).
    Answer: ``BulkRevokeBegun``.
    """

    operation: str
    criteria: RevocationCriteria
    reason: RevocationReason
    actor: str


class BulkRevokeBegun(msgspec.Struct, frozen=True, tag="bulk_begun"):
    """``operation`` is another one where this very command was given before."""

    operation: str


class RevokeSlice(msgspec.Struct, frozen=True, kw_only=True, tag="revoke_slice"):
    """Revoke some of the certificates that a bulk revocation found, at most ``SLICE``.
    Each is held to the criteria again. Answer: ``SliceRevoked``.
    """

    operation: str
    criteria: RevocationCriteria
    certificate_ids: tuple[str, ...]
    reason: RevocationReason
    actor: str


class SliceRevoked(msgspec.Struct, frozen=True, kw_only=True, tag="slice_revoked"):
    """``skipped`` were revoked or expired meanwhile; ``failed`` fit the criteria no more."""

    revoked: int
    skipped: int
    failed: tuple[str, ...]


class FinishBulkRevoke(msgspec.Struct, frozen=True, kw_only=True, tag="finish_bulk_revoke"):
    """Keep what came of a bulk revocation for whoever asks again; None asks for it, and is
    refused while it is not known. Answer: ``BulkRevokeFinished``.
    """

    operation: str
    totals: BulkTotals | None
    actor: str


class BulkRevokeFinished(msgspec.Struct, frozen=True, tag="bulk_finished"):
    totals: BulkTotals
