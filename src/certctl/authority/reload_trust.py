"""A trust bundle is read again (est §10): examined, put on record, then put into force.

In this order: a bundle whose event cannot be recorded is not taken, and a bad one
leaves no event at all, so that the event always means a change of who is trusted, or
that a named operator asked.
"""

from __future__ import annotations

from functools import partial

from certctl.authority.commands import SYSTEM, ReloadTrust, TrustReloaded
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.errors import TrustRefused
from certctl.domain.ports import TrustBundles
from certctl.domain.trust_change import TrustChange


def reload_trust(command: ReloadTrust, bundles: TrustBundles | None, now_us: int) -> Done:
    """Examine the file and say what to record; ``Done.after`` puts it into force.

    Raises:
        NotFound: no such profile.
        TrustRefused: no bundle, a bad one, or no server whose bundles these are.
    """
    if bundles is None:
        raise TrustRefused(
            "not_running",
            problem="no server is running on this data directory",
            remedy="start it: it reads all bundles at its start",
        )
    change = bundles.examine(command.path_id, now_us)
    result = TrustReloaded(change, now_us)
    if not change.changed and command.actor == SYSTEM:
        return Done(result=result)
    return Done(
        result=result,
        events=(_event(command, change, now_us),),
        after=partial(bundles.publish, change),
    )


def _event(command: ReloadTrust, change: TrustChange, now_us: int) -> AuditEvent:
    return event_by(
        command.actor,
        AuditAction.TRUST_ANCHOR_RELOADED,
        now_us=now_us,
        profile=change.path_id,
        resource_type="registration_authorities" if command.registration else "trust_bundle",
        resource_id=change.path_id,
        details={
            "path_id": change.path_id,
            "path": change.path,
            "sha256": change.sha256,
            "added": list(change.added),
            "removed": list(change.removed),
            "count": change.count,
            "reloaded_by": "signal" if command.actor == SYSTEM else command.actor,
        },
    )
