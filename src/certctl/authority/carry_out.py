"""Which function carries out which command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from certctl.authority import api_keys, backup, crl, figures, leases, profiles, retention
from certctl.authority.bulk_revoke import begin_bulk_revoke, finish_bulk_revoke, revoke_slice
from certctl.authority.calls import OutsideCalls
from certctl.authority.commands import (
    AnnounceCertificates,
    AnnounceExpiry,
    ApiKeyCommand,
    ApproveRequest,
    BeginBulkRevoke,
    CertificateCommand,
    Command,
    CreateApiKey,
    DeleteCertificateProfile,
    DenyRequest,
    DropAuditSegment,
    DropCrlParts,
    DropRecords,
    FinishBulkRevoke,
    FinishJob,
    ImportCertificates,
    LeaseCommand,
    NoteBackup,
    ProfileCommand,
    PurgeExpired,
    PutCertificateProfile,
    PutCrlPart,
    ReconcileIntents,
    RecordsCommand,
    ReleaseCertificate,
    ReloadTrust,
    RequestCommand,
    RequeueDeliveries,
    RevokeApiKey,
    RevokeCertificate,
    RevokeSlice,
    SealAudit,
    SettleDeliveries,
    SignCrl,
    TakeLease,
)
from certctl.authority.commands.figures import (
    FigureCommand,
    RecordActivity,
    RecordAuditProof,
    RecordInventory,
)
from certctl.authority.commands.issuers import (
    ChangeIssuer,
    CreateIssuer,
    DeleteIssuer,
    InstallIssuer,
    TestIssuer,
)
from certctl.authority.commands.sessions import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionCommand,
)
from certctl.authority.commands.telling import TellIssuers
from certctl.authority.decide import approve, deny
from certctl.authority.done import Done
from certctl.authority.event_commands import carry_out_event_command
from certctl.authority.import_certificates import import_certificates
from certctl.authority.issuer_desk import IssuerDesk, carry_out_issuer_command
from certctl.authority.key_gate import KeyGate
from certctl.authority.purge import purge
from certctl.authority.reconcile import reconcile
from certctl.authority.reload_trust import reload_trust
from certctl.authority.revoke import release, revoke
from certctl.authority.seal import AuditSigner, seal
from certctl.authority.sessions import carry_out_session_command
from certctl.authority.telling import tell
from certctl.domain.ports import Transaction, TrustBundles
from certctl.domain.retention import KEEP_EVERYTHING, Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What commands may use beyond the store; None: not in this process.

    Attributes:
        named_by: EST profiles by the certificate profile of the store that they name.
        crl_drafts: the CRLs of issuers that sign them here.
        is_gone: whether the holder of a lease is a process of this machine that has ended.
        profiles_changed: given all stored profiles when a change of them is durable.
        issuers: how issuers are made and tried.
        registration: the lists of registration authorities in force.
        keys: judges the keys of workers' commands; without it none is carried out.
    """

    audit_signer: AuditSigner | None = None
    named_by: Callable[[], profiles.NamedBy] = dict
    profiles_changed: profiles.TakeOver = profiles.nobody
    bundles: TrustBundles | None = None
    retention: Retention = KEEP_EVERYTHING
    registration: TrustBundles | None = None
    keys: KeyGate | None = None
    calls: OutsideCalls | None = None
    crl_drafts: crl.CrlDrafts = field(default_factory=lambda: crl.CrlDrafts({}))
    is_gone: leases.IsGone = leases.nobody
    issuers: IssuerDesk | None = None


def carry_out(command: Command, transaction: Transaction, powers: Powers, now_us: int) -> Done:
    """Do what a command says inside ``transaction``.

    Raises:
        Failure: it is refused; the transaction must be rolled back.
    """
    match command:
        case (
            RevokeCertificate()
            | ReleaseCertificate()
            | BeginBulkRevoke()
            | RevokeSlice()
            | FinishBulkRevoke()
            | ImportCertificates()
        ):
            return _on_certificates(command, transaction, now_us)
        case ReloadTrust():
            files = powers.registration if command.registration else powers.bundles
            return reload_trust(command, files, now_us)
        case ApproveRequest() | DenyRequest():
            return _on_requests(command, transaction, now_us)
        case TakeLease() | FinishJob() | RecordInventory() | RecordActivity() | RecordAuditProof():
            return _on_jobs(command, transaction, powers.is_gone, now_us)
        case SealAudit() | PurgeExpired():
            return _on_upkeep(command, transaction, powers, now_us)
        case SettleDeliveries() | RequeueDeliveries() | AnnounceCertificates() | AnnounceExpiry():
            return carry_out_event_command(command, transaction, now_us)
        case ReconcileIntents() | TellIssuers():
            return _on_outside(command, transaction, powers, now_us)
        case PutCertificateProfile() | DeleteCertificateProfile():
            return _on_profiles(command, transaction, powers, now_us)
        case CreateApiKey() | RevokeApiKey() | OpenSession() | ExtendSession() | CloseSession():
            return _on_access(command, transaction, now_us)
        case TestIssuer() | CreateIssuer() | InstallIssuer() | ChangeIssuer() | DeleteIssuer():
            return carry_out_issuer_command(command, transaction, powers.issuers, now_us)
        case NoteBackup() | DropAuditSegment() | DropRecords():
            return _on_records(command, transaction, powers, now_us)
        case PutCrlPart() | SignCrl() | DropCrlParts():
            return crl.carry_out(command, transaction, powers.crl_drafts, now_us)
    assert_never(command)


def _on_upkeep(
    command: SealAudit | PurgeExpired,
    transaction: Transaction,
    powers: Powers,
    now_us: int,
) -> Done:
    match command:
        case SealAudit():
            return seal(command, transaction, powers.audit_signer, now_us)
        case PurgeExpired():
            return purge(command, transaction, now_us)
    assert_never(command)


def _on_certificates(command: CertificateCommand, transaction: Transaction, now_us: int) -> Done:
    match command:
        case RevokeCertificate():
            return revoke(command, transaction, now_us)
        case ReleaseCertificate():
            return release(command, transaction, now_us)
        case BeginBulkRevoke():
            return begin_bulk_revoke(command, now_us)
        case RevokeSlice():
            return revoke_slice(command, transaction, now_us)
        case FinishBulkRevoke():
            return finish_bulk_revoke(command)
        case ImportCertificates():
            return import_certificates(command, transaction, now_us)
    assert_never(command)


def _on_records(
    command: RecordsCommand, transaction: Transaction, powers: Powers, now_us: int
) -> Done:
    match command:
        case NoteBackup():
            return backup.note(command, now_us)
        case DropAuditSegment() | DropRecords():
            return retention.drop(
                command, transaction, powers.audit_signer, powers.retention, now_us
            )
    assert_never(command)


def _on_outside(
    command: ReconcileIntents | TellIssuers, transaction: Transaction, powers: Powers, now_us: int
) -> Done:
    match command:
        case ReconcileIntents():
            return reconcile(command, transaction, powers.calls, now_us)
        case TellIssuers():
            return tell(command, transaction, powers.calls, now_us)
    assert_never(command)


def _on_requests(command: RequestCommand, transaction: Transaction, now_us: int) -> Done:
    match command:
        case ApproveRequest():
            return approve(command, transaction, now_us)
        case DenyRequest():
            return deny(command, transaction, now_us)
    assert_never(command)


def _on_jobs(
    command: LeaseCommand | FigureCommand,
    transaction: Transaction,
    is_gone: leases.IsGone,
    now_us: int,
) -> Done:
    match command:
        case TakeLease():
            return leases.take(command, transaction, now_us, is_gone)
        case FinishJob():
            return leases.finish(command, transaction, now_us)
        case RecordInventory() | RecordActivity() | RecordAuditProof():
            return figures.record(command, transaction)
    assert_never(command)


def _on_profiles(
    command: ProfileCommand, transaction: Transaction, powers: Powers, now_us: int
) -> Done:
    changed = powers.profiles_changed
    match command:
        case PutCertificateProfile():
            return profiles.put(command, transaction, changed, now_us)
        case DeleteCertificateProfile():
            return profiles.remove(command, transaction, changed, powers.named_by(), now_us)
    assert_never(command)


def _on_access(
    command: ApiKeyCommand | SessionCommand, transaction: Transaction, now_us: int
) -> Done:
    match command:
        case CreateApiKey():
            return api_keys.create(command, transaction, now_us)
        case RevokeApiKey():
            return api_keys.revoke(command, transaction, now_us)
        case OpenSession() | ExtendSession() | CloseSession():
            return carry_out_session_command(command, transaction, now_us)
    assert_never(command)
