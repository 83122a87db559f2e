"""The outbox of the authority, as the settings want it."""

from __future__ import annotations

from certctl.authority.outbox import Outbox
from certctl.settings.schema import Settings


def make_outbox(settings: Settings) -> Outbox | None:
    """None where no channel is set up: then events cost nothing."""
    wanted = settings.events.wanted()
    if not wanted:
        return None
    return Outbox(
        wanted,
        source=settings.events.source,
        lockout_failures=settings.est.lockout.failures,
    )
