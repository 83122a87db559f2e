"""Bulk revocation inside transactions: the command on record, then slice after slice.

Who asks has searched the records; here each certificate is held to the criteria again,
in the transaction that revokes it. So two bulk revocations at once never revoke one
twice, and a slice is whole or not there.
"""

from __future__ import annotations

from certctl.authority.commands import (
    BeginBulkRevoke,
    BulkRevokeBegun,
    BulkRevokeFinished,
    FinishBulkRevoke,
    RevokeSlice,
    SliceRevoked,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.authority.revoke import revoked_event
from certctl.domain.audit import AuditAction
from certctl.domain.bulk_revocation import SLICE, CriteriaRefused, RevocationCriteria, is_revocable
from certctl.domain.errors import Conflict
from certctl.domain.inventory import CertificateSummary
from certctl.domain.ports import Transaction
from certctl.domain.revocation import RevocationReason


def begin_bulk_revoke(command: BeginBulkRevoke, now_us: int) -> Done:
    """Its one event; written first, so that none is revoked in bulk without it.

    Raises:
        Conflict: the criteria would choose everything, or nothing by mistake.
    """
    _require(command.criteria)
    event = event_by(
        command.actor,
        AuditAction.BULK_REVOKE,
        now_us=now_us,
        profile=command.criteria.profile or "",
        resource_type="bulk_revoke",
        resource_id=command.operation,
        details={
            "actor": command.actor,
            "reason": command.reason.value,
            "source": "EST",
            **command.criteria.told(),
        },
        tenant=command.criteria.tenant,
    )
    return Done(result=BulkRevokeBegun(command.operation), events=(event,))


def revoke_slice(command: RevokeSlice, transaction: Transaction, now_us: int) -> Done:
    """Revoke what still fits and is not revoked yet.

    Raises:
        Conflict: too many at once, or criteria that choose everything.
    """
    if len(command.certificate_ids) > SLICE:
        raise Conflict(f"{len(command.certificate_ids)} certificates at once, at most {SLICE}")
    wanted = command.criteria.unlisted()
    if wanted != RevocationCriteria():
        _require(wanted)
    known = transaction.summaries(command.certificate_ids)
    chosen: list[CertificateSummary] = []
    failed: list[str] = []
    skipped = 0
    for each in dict.fromkeys(command.certificate_ids):
        found = known.get(each)
        if found is None or not wanted.choose(found, now_us):
            failed.append(each)
        elif is_revocable(found, command.reason, now_us):
            chosen.append(found)
        else:
            skipped += 1
    transaction.revoke_certificates([each.id for each in chosen], now_us, command.reason)
    if command.reason is RevocationReason.KEY_COMPROMISE:
        transaction.note_compromised_keys({each.spki_sha256 for each in chosen}, now_us)
    events = [
        revoked_event(
            each,
            reason=command.reason,
            actor=command.actor,
            now_us=now_us,
            operation=command.operation,
        )
        for each in chosen
    ]
    result = SliceRevoked(revoked=len(chosen), skipped=skipped, failed=tuple(failed))
    return Done(result=result, events=tuple(events))


def finish_bulk_revoke(command: FinishBulkRevoke) -> Done:
    """Its totals as they are: they are kept as the answer to an ``Idempotency-Key``.

    Raises:
        Conflict: they are not known yet.
    """
    if command.totals is None:
        raise Conflict(f"bulk revocation {command.operation} is not finished")
    return Done(result=BulkRevokeFinished(command.totals))


def _require(criteria: RevocationCriteria) -> None:
    try:
        criteria.require()
    except CriteriaRefused as err:
        raise Conflict(str(err)) from err
