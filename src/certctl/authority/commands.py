"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

import msgspec

from certctl.authority.figure_commands import FigureCommand, FiguresRecorded
from certctl.authority.issuer_commands import IssuerChanged, IssuerCommand, IssuerTested
from certctl.authority.session_commands import SessionCommand, SessionDone
from certctl.authority.telling_commands import IssuersTold, TellIssuers
from certctl.domain.api_keys import Role
from certctl.domain.approval import Decided
from certctl.domain.bulk_revocation import BulkTotals, RevocationCriteria
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.crl import CrlRecord
from certctl.domain.events import Delivery, Event, NoticeMark
from certctl.domain.revocation import Revocation, RevocationReason
from certctl.domain.trust_change import TrustChange

SYSTEM = "system"
"""The actor of what happens by itself or by a signal."""


class RevokeCertificate(msgspec.Struct, frozen=True, kw_only=True, tag="revoke"):
    """Revoke one certificate on record (records §4). Answer: ``RevocationDone``."""

    certificate_id: str
    reason: RevocationReason
    actor: str


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


class FinishBulkRevoke(msgspec.Struct, frozen=True, kw_only=True, tag="finish_bulk_revoke"):
    """Keep what came of a bulk revocation for whoever asks again; None asks for it, and is
    refused while it is not known. Answer: ``BulkRevokeFinished``.
    """

    operation: str
    totals: BulkTotals | None
    actor: str


class BulkRevokeFinished(msgspec.Struct, frozen=True, tag="bulk_finished"):
    totals: BulkTotals


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


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate (DER) of another source; ``issuer_id`` ours, or ``external:NAME``."""

    der: bytes
    issuer_id: str


class ImportCertificates(msgspec.Struct, frozen=True, kw_only=True, tag="import"):
    """Put certificates of other sources on record (records §3), all of these or none.
    Answer: ``CertificatesImported``.
    """

    certificates: tuple[Import, ...]
    actor: str


class CertificatesImported(msgspec.Struct, frozen=True, kw_only=True, tag="imported"):
    """``duplicates`` were on record already and stay as they are."""

    imported: int
    duplicates: int


class ReloadTrust(msgspec.Struct, frozen=True, kw_only=True, tag="reload_trust"):
    """Read one profile's trust bundle again (est §10), or with ``registration`` its list of
    registration authorities. Answer: ``TrustReloaded``.

    With ``SYSTEM`` as actor a file that has not changed leaves no event: then nobody
    asked for this profile by name.
    """

    path_id: str
    actor: str
    registration: bool = False


class RevocationDone(msgspec.Struct, frozen=True, tag="revocation"):
    revocation: Revocation


class TrustReloaded(msgspec.Struct, frozen=True, tag="trust_reloaded"):
    """The bundle is in force from ``reloaded_us`` on; workers take it over at once."""

    change: TrustChange
    reloaded_us: int


class ApproveRequest(msgspec.Struct, frozen=True, kw_only=True, tag="approve"):
    """Approve one waiting request (policy §5). Answer: ``RequestDecided``."""

    request_id: str
    reason: str
    actor: str


class DenyRequest(msgspec.Struct, frozen=True, kw_only=True, tag="deny"):
    """Deny one waiting request, for a reason its device is told. Answer: ``RequestDecided``."""

    request_id: str
    reason: str
    actor: str


class RequestDecided(msgspec.Struct, frozen=True, tag="decided"):
    decided: Decided


class TakeLease(msgspec.Struct, frozen=True, kw_only=True, tag="take_lease"):
    """Ask for a job's lease (records §8). Answer: ``LeaseAnswer``."""

    job: str
    holder: str
    every_us: int
    lease_us: int


class LeaseAnswer(msgspec.Struct, frozen=True, tag="lease"):
    """The fence to name with everything the job writes; None: not now."""

    fence: int | None


class FinishJob(msgspec.Struct, frozen=True, kw_only=True, tag="finish_job"):
    """Give a lease back and say how the run went. Answer: ``JobFinished``."""

    job: str
    fence: int
    outcome: str


class JobFinished(msgspec.Struct, frozen=True, tag="job_finished"):
    pass


class SealAudit(msgspec.Struct, frozen=True, kw_only=True, tag="seal_audit"):
    """Sign where the audit chains stand (records §5). Answer: ``Sealed``."""

    fence: int


class Sealed(msgspec.Struct, frozen=True, tag="sealed"):
    """The new checkpoint; None when there was nothing to seal."""

    checkpoint: Checkpoint | None


class PurgeExpired(msgspec.Struct, frozen=True, kw_only=True, tag="purge_expired"):
    """Remove rows that answer nothing any more, a bounded number. Answer: ``Purged``."""

    fence: int


class Purged(msgspec.Struct, frozen=True, tag="purged"):
    """How many rows of one kind went; as many as the bound means that there are more."""

    rows: int


class SettleDeliveries(msgspec.Struct, frozen=True, kw_only=True, tag="settle_deliveries"):
    """Write what became of events on their way (records §7). Answer: ``DeliveriesSettled``."""

    fence: int
    deliveries: tuple[Delivery, ...]


class DeliveriesSettled(msgspec.Struct, frozen=True, tag="deliveries_settled"):
    pass


class RequeueDeliveries(msgspec.Struct, frozen=True, kw_only=True, tag="requeue_deliveries"):
    """Send dead events again, a bounded number; None means any. Answer: ``Requeued``."""

    event_id: str | None
    channel: str | None
    actor: str


class Requeued(msgspec.Struct, frozen=True, tag="requeued"):
    """How many wait again; ``more`` when there may be others."""

    rows: int
    more: bool


class AnnounceCertificates(msgspec.Struct, frozen=True, kw_only=True, tag="announce_certificates"):
    """Tell that these certificates expire within so many days. Answer: ``Announced``.

    ``mark`` says how far notices of these days have come with them.
    """

    fence: int
    days: int
    certificate_ids: tuple[str, ...]
    mark: NoticeMark


class AnnounceExpiry(msgspec.Struct, frozen=True, kw_only=True, tag="announce_expiry"):
    """Tell that a CA or a trust anchor expires soon, once per ``mark``. Answer: ``Announced``."""

    fence: int
    event: Event
    mark: NoticeMark


class Announced(msgspec.Struct, frozen=True, tag="announced"):
    """How many were told of: not those that were revoked meanwhile."""

    number: int


class ReconcileIntents(msgspec.Struct, frozen=True, kw_only=True, tag="reconcile"):
    """Settle intents past their deadline, a bounded number (records §2). Answer: ``Reconciled``."""

    fence: int


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag="reconciled"):
    """How many the CA was asked about, how many were given up, how many it must revoke."""

    asked: int
    lost: int
    told: int


class PutCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="put_profile"):
    """Keep a certificate profile in the store (policy §1). Answer: ``ProfileChanged``.

    ``document`` is JSON. ``expected_version`` 0 means that there must be none yet, None
    that it does not matter.
    """

    profile_id: str
    document: str
    actor: str
    expected_version: int | None = None


class DeleteCertificateProfile(msgspec.Struct, frozen=True, kw_only=True, tag="delete_profile"):
    """Remove a certificate profile from the store. Answer: ``ProfileChanged``."""

    profile_id: str
    actor: str
    expected_version: int | None = None


class ProfileChanged(msgspec.Struct, frozen=True, kw_only=True, tag="profile_changed"):
    profile_id: str
    version: int


class NoteBackup(msgspec.Struct, frozen=True, kw_only=True, tag="note_backup"):
    """Put on record that somebody takes all keys and records away. Answer: ``BackupNoted``."""

    target: str
    actor: str


class BackupNoted(msgspec.Struct, frozen=True, tag="backup_noted"):
    pass


class DropAuditSegment(msgspec.Struct, frozen=True, kw_only=True, tag="drop_audit"):
    """Drop a node's events up to where a checkpoint sealed them. Answer: ``AuditDropped``."""

    fence: int
    node: str
    checkpoint: int


class AuditDropped(msgspec.Struct, frozen=True, tag="audit_dropped"):
    events: int


class DropRecords(msgspec.Struct, frozen=True, kw_only=True, tag="drop_records"):
    """Drop certificates that expired long ago. Answer: ``RecordsDropped``."""

    fence: int
    certificate_ids: list[str]


class RecordsDropped(msgspec.Struct, frozen=True, tag="records_dropped"):
    certificates: int


class PutCrlPart(msgspec.Struct, frozen=True, kw_only=True, tag="put_crl_part"):
    """Keep a piece of the next CRL's TBSCertList (records §4). Answer: ``CrlPartKept``."""

    fence: int
    issuer_id: str
    number: int
    part: int
    octets: bytes
    delta: bool = False
    partition: int | None = None


class CrlPartKept(msgspec.Struct, frozen=True, tag="crl_part"):
    pass


class SignCrl(msgspec.Struct, frozen=True, kw_only=True, tag="sign_crl"):
    """Check and sign the pieces of a CRL. Answer: ``CrlPublished``.

    ``scheduled``: it is made because its time had come. ``stamp``: the state of the
    records that it was made from.
    """

    fence: int
    issuer_id: str
    number: int
    parts: int
    scheduled: bool
    stamp: str
    delta: bool = False
    partition: int | None = None


class CrlPublished(msgspec.Struct, frozen=True, tag="crl_published"):
    crl: CrlRecord


class DropCrlParts(msgspec.Struct, frozen=True, kw_only=True, tag="drop_crl_parts"):
    """Remove pieces of old CRLs, a bounded number. Answer: ``CrlPartsDropped``."""

    fence: int
    issuer_id: str
    delta: bool = False
    partition: int | None = None


class CrlPartsDropped(msgspec.Struct, frozen=True, tag="crl_parts_dropped"):
    more: bool


CertificateCommand = (
    RevokeCertificate
    | ReleaseCertificate
    | BeginBulkRevoke
    | RevokeSlice
    | FinishBulkRevoke
    | ImportCertificates
)
EventCommand = SettleDeliveries | RequeueDeliveries | AnnounceCertificates | AnnounceExpiry
RecordsCommand = NoteBackup | DropAuditSegment | DropRecords


class CreateApiKey(msgspec.Struct, frozen=True, kw_only=True, tag="create_key"):
    """Keep a key of the management API (operator §1). Answer: ``ApiKeyDone``."""

    key_id: str
    name: str
    role: Role
    digest: bytes
    actor: str
    tenant: str | None = None
    profiles: tuple[str, ...] = ()
    expires_us: int | None = None


class RevokeApiKey(msgspec.Struct, frozen=True, kw_only=True, tag="revoke_key"):
    """Revoke a key of the management API for good. Answer: ``ApiKeyDone``."""

    key_id: str
    actor: str


class ApiKeyDone(msgspec.Struct, frozen=True, tag="api_key"):
    """``changed_us`` is when it was made or (first) revoked."""

    key_id: str
    name: str
    changed_us: int


RequestCommand = ApproveRequest | DenyRequest
LeaseCommand = TakeLease | FinishJob
ProfileCommand = PutCertificateProfile | DeleteCertificateProfile
ApiKeyCommand = CreateApiKey | RevokeApiKey

Command = (
    CertificateCommand
    | ReloadTrust
    | RequestCommand
    | LeaseCommand
    | SealAudit
    | PurgeExpired
    | EventCommand
    | ReconcileIntents
    | TellIssuers
    | ProfileCommand
    | ApiKeyCommand
    | SessionCommand
    | IssuerCommand
    | FigureCommand
    | RecordsCommand
    | PutCrlPart
    | SignCrl
    | DropCrlParts
)
CommandResult = (
    RevocationDone
    | CertificateReleased
    | BulkRevokeBegun
    | SliceRevoked
    | BulkRevokeFinished
    | CertificatesImported
    | TrustReloaded
    | RequestDecided
    | LeaseAnswer
    | JobFinished
    | Sealed
    | Purged
    | DeliveriesSettled
    | Requeued
    | Announced
    | Reconciled
    | IssuersTold
    | ProfileChanged
    | BackupNoted
    | AuditDropped
    | RecordsDropped
    | ApiKeyDone
    | SessionDone
    | IssuerTested
    | IssuerChanged
    | FiguresRecorded
    | CrlPartKept
    | CrlPublished
    | CrlPartsDropped
)
