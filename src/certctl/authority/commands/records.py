"""Commands about the records as a whole: sealed, purged, settled, dropped, taken away."""

from __future__ import annotations

import msgspec

from certctl.domain.checkpoint import Checkpoint


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


class ReconcileIntents(msgspec.Struct, frozen=True, kw_only=True, tag="reconcile"):
    """Settle intents past their deadline, a bounded number (records §2). Answer: ``Reconciled``."""

    fence: int


class Reconciled(msgspec.Struct, frozen=True, kw_only=True, tag="reconciled"):
    """How many the CA was asked about, how many were given up, how many it must revoke."""

    asked: int
    lost: int
    told: int


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


RecordsCommand = NoteBackup | DropAuditSegment | DropRecords
