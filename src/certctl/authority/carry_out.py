"""Which function carries out which command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from certctl.authority import api_keys, leases, profiles
from certctl.authority.bulk_revoke import begin_bulk_revoke, revoke_slice
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
    FinishJob,
    ImportCertificates,
    PurgeExpired,
    PutCertificateProfile,
    ReleaseCertificate,
    ReloadTrust,
    RequeueDeliveries,
    RevokeApiKey,
    RevokeCertificate,
    RevokeSlice,
    SealAudit,
    SettleDeliveries,
    TakeLease,
)
from certctl.authority.decide import approve, deny
from certctl.authority.done import Done
from certctl.authority.event_commands import carry_out_event_command
from certctl.authority.import_certificates import import_certificates
from certctl.authority.purge import purge
from certctl.authority.reload_trust import reload_trust
from certctl.authority.revoke import release, revoke
from certctl.authority.seal import AuditSigner, seal
from certctl.authority.session_commands import (
    CloseSession,
    ExtendSession,
    OpenSession,
    SessionCommand,
)
from certctl.authority.sessions import carry_out_session_command
from certctl.domain.ports import Transaction, TrustBundles


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What commands may use beyond the store; None: not in this process.

    Attributes:
        named_by: EST profiles by the certificate profile of the store that they name.
        profiles_changed: given all stored profiles when a change of them is durable.
        registration: the lists of registration authorities in force.
    """

    audit_signer: AuditSigner | None = None
    named_by: Callable[[], profiles.NamedBy] = dict
    profiles_changed: profiles.TakeOver = profiles.nobody
    bundles: TrustBundles | None = None
    registration: TrustBundles | None = None


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
            | ImportCertificates()
        ):
            return _on_certificates(command, transaction, now_us)
        case ReloadTrust():
            files = powers.registration if command.registration else powers.bundles
            return reload_trust(command, files, now_us)
        case ApproveRequest():
            return approve(command, transaction, now_us)
        case DenyRequest():
            return deny(command, transaction, now_us)
        case TakeLease():
            return leases.take(command, transaction, now_us)
        case FinishJob():
            return leases.finish(command, transaction, now_us)
        case SealAudit():
            return seal(command, transaction, powers.audit_signer, now_us)
        case PurgeExpired():
            return purge(command, transaction, now_us)
        case SettleDeliveries() | RequeueDeliveries() | AnnounceCertificates() | AnnounceExpiry():
            return carry_out_event_command(command, transaction, now_us)
        case PutCertificateProfile():
            return profiles.put(command, transaction, powers.profiles_changed, now_us)
        case DeleteCertificateProfile():
            return profiles.remove(
                command, transaction, powers.profiles_changed, powers.named_by(), now_us
            )
        case CreateApiKey() | RevokeApiKey() | OpenSession() | ExtendSession() | CloseSession():
            return _on_access(command, transaction, now_us)
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
        case ImportCertificates():
            return import_certificates(command, transaction, now_us)
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
