"""Commands to the authority beside orders: what operators and jobs have it write.

Each runs in a transaction of its own together with its audit event. A command says who
gives it (``actor``: ``host:USER``, ``key:NAME``, ``system``) and never how it is stored.
"""

from __future__ import annotations

from certctl.authority.commands.api_keys import (
    ApiKeyCommand,
    ApiKeyDone,
    CreateApiKey,
    RevokeApiKey,
)
from certctl.authority.commands.crl import (
    CrlCommand,
    CrlPartKept,
    CrlPartsDropped,
    CrlPublished,
    DropCrlParts,
    PutCrlPart,
    SignCrl,
)
from certctl.authority.commands.deliveries import (
    AnnounceCertificates,
    Announced,
    AnnounceExpiry,
    DeliveriesSettled,
    EventCommand,
    Requeued,
    RequeueDeliveries,
    SettleDeliveries,
)
from certctl.authority.commands.figures import (
    FigureCommand,
    FiguresRecorded,
)
from certctl.authority.commands.imports import (
    CertificatesImported,
    Import,
    ImportCertificates,
)
from certctl.authority.commands.issuers import (
    IssuerChanged,
    IssuerCommand,
    IssuerTested,
)
from certctl.authority.commands.leases import (
    FinishJob,
    JobFinished,
    LeaseAnswer,
    LeaseCommand,
    TakeLease,
)
from certctl.authority.commands.profiles import (
    DeleteCertificateProfile,
    ProfileChanged,
    ProfileCommand,
    PutCertificateProfile,
)
from certctl.authority.commands.records import (
    AuditDropped,
    BackupNoted,
    DropAuditSegment,
    DropRecords,
    NoteBackup,
    Purged,
    PurgeExpired,
    Reconciled,
    ReconcileIntents,
    RecordsCommand,
    RecordsDropped,
    SealAudit,
    Sealed,
)
from certctl.authority.commands.requests import (
    ApproveRequest,
    DenyRequest,
    RequestCommand,
    RequestDecided,
)
from certctl.authority.commands.revocations import (
    BeginBulkRevoke,
    BulkRevokeBegun,
    BulkRevokeFinished,
    CertificateReleased,
    FinishBulkRevoke,
    ReleaseCertificate,
    RevocationDone,
    RevokeCertificate,
    RevokeSlice,
    SliceRevoked,
)
from certctl.authority.commands.sessions import (
    SessionCommand,
    SessionDone,
)
from certctl.authority.commands.telling import (
    IssuersTold,
    TellIssuers,
)
from certctl.authority.commands.trust import (
    ReloadTrust,
    TrustReloaded,
)

SYSTEM = "system"
"""The actor of what happens by itself or by a signal."""

CertificateCommand = (
    RevokeCertificate
    | ReleaseCertificate
    | BeginBulkRevoke
    | RevokeSlice
    | FinishBulkRevoke
    | ImportCertificates
)
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
    | CrlCommand
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

__all__ = [
    "SYSTEM",
    "AnnounceCertificates",
    "AnnounceExpiry",
    "Announced",
    "ApiKeyCommand",
    "ApiKeyDone",
    "ApproveRequest",
    "AuditDropped",
    "BackupNoted",
    "BeginBulkRevoke",
    "BulkRevokeBegun",
    "BulkRevokeFinished",
    "CertificateCommand",
    "CertificateReleased",
    "CertificatesImported",
    "Command",
    "CommandResult",
    "CreateApiKey",
    "CrlCommand",
    "CrlPartKept",
    "CrlPartsDropped",
    "CrlPublished",
    "DeleteCertificateProfile",
    "DeliveriesSettled",
    "DenyRequest",
    "DropAuditSegment",
    "DropCrlParts",
    "DropRecords",
    "EventCommand",
    "FigureCommand",
    "FiguresRecorded",
    "FinishBulkRevoke",
    "FinishJob",
    "Import",
    "ImportCertificates",
    "IssuerChanged",
    "IssuerCommand",
    "IssuerTested",
    "IssuersTold",
    "JobFinished",
    "LeaseAnswer",
    "LeaseCommand",
    "NoteBackup",
    "ProfileChanged",
    "ProfileCommand",
    "PurgeExpired",
    "Purged",
    "PutCertificateProfile",
    "PutCrlPart",
    "ReconcileIntents",
    "Reconciled",
    "RecordsCommand",
    "RecordsDropped",
    "ReleaseCertificate",
    "ReloadTrust",
    "RequestCommand",
    "RequestDecided",
    "RequeueDeliveries",
    "Requeued",
    "RevocationDone",
    "RevokeApiKey",
    "RevokeCertificate",
    "RevokeSlice",
    "SealAudit",
    "Sealed",
    "SessionCommand",
    "SessionDone",
    "SettleDeliveries",
    "SignCrl",
    "SliceRevoked",
    "TakeLease",
    "TellIssuers",
    "TrustReloaded",
]
