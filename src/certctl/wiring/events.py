"""The outbox of the authority, as the settings want it."""

from __future__ import annotations

from certctl.authority.outbox import Outbox
from certctl.settings.schema import Settings


def revokers(settings: Settings) -> frozenset[str]:
    """Ids of the CAs outside that must be told of revocations."""
    return frozenset(
        issuer.id for issuer in settings.issuers if issuer.script and issuer.script.revoke
    )


def make_outbox(settings: Settings) -> Outbox | None:
    """None where no channel is set up, nor a CA outside to be told: then events cost nothing."""
    wanted = settings.events.wanted()
    told = revokers(settings)
    if not wanted and not told:
        return None
    return Outbox(
        wanted,
        source=settings.events.source,
        lockout_failures=settings.est.lockout.failures,
        revokers=told,
    )
