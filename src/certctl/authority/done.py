"""What a command did inside its transaction: the answer, and what goes on record with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from certctl.authority.commands import CommandResult
from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``after`` runs once all of it is durable; ``notices`` go to the channels alone."""

    result: CommandResult
    events: tuple[AuditEvent, ...] = ()
    notices: tuple[Event, ...] = ()
    counts: Mapping[tuple[str, Counter], int] = field(default_factory=dict)
    after: Callable[[], None] | None = None
