"""What a command did inside its transaction: the answer, and what goes on record with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from certctl.authority.commands import CommandResult
from certctl.domain.audit import AuditEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``after`` runs once all of it is durable."""

    result: CommandResult
    events: tuple[AuditEvent, ...] = ()
    after: Callable[[], None] | None = None
