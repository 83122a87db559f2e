"""Backups on record: that one was taken away, and that one was put in place (records §5)."""

from __future__ import annotations

from certctl.authority.commands import BackupNoted, NoteBackup
from certctl.authority.done import Done
from certctl.authority.events import Details, event_by
from certctl.domain.audit import AuditAction, AuditEvent


def note(command: NoteBackup, now_us: int) -> Done:
    """Whoever holds a backup holds the CA's key: who took it, and where to."""
    event = event_by(
        command.actor,
        AuditAction.BACKUP_MADE,
        now_us=now_us,
        resource_type="backup",
        details={"target": command.target},
    )
    return Done(result=BackupNoted(), events=(event,))


def restored_event(actor: str, details: Details, *, now_us: int) -> AuditEvent:
    """Where the chain goes on after a restore: what came after ``details`` is lost here."""
    return event_by(
        actor,
        AuditAction.BACKUP_RESTORED,
        now_us=now_us,
        resource_type="backup",
        details=details,
    )
