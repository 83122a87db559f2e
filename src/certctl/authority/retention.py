"""Dropping what has been kept long enough, a bounded number at a time (records §5, §8).

The jobs process looks for what may go; here it is decided once more, by the authority's
own settings. A segment of the audit trail goes only whole, after its chain and its seal
have been walked again: a stub must not vouch for what had been tampered with.
"""

from __future__ import annotations

from dataclasses import replace

from certctl.authority import leases
from certctl.authority.commands import (
    SYSTEM,
    AuditDropped,
    DropAuditSegment,
    DropRecords,
    RecordsDropped,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.authority.seal import AuditSigner
from certctl.authority.verify import Broken, verify_segment
from certctl.domain.audit import AuditAction
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.errors import Conflict, InternalError, NotFound
from certctl.domain.ports import Transaction
from certctl.domain.retention import AuditStub, Retention

JOB = "retention"

MOST_EVENTS = 1_000
"""What a segment should have at most: its chain is walked while others wait (30 ms)."""

MOST_RECORDS = 200


def drop(
    command: DropAuditSegment | DropRecords,
    transaction: Transaction,
    signer: AuditSigner | None,
    retention: Retention,
    now_us: int,
) -> Done:
    """Either of the two, as below.

    Raises:
        LeaseLost, NotFound, Conflict.
    """
    leases.require(transaction, JOB, command.fence)
    if isinstance(command, DropRecords):
        return drop_records(command, transaction, retention, now_us)
    return drop_audit(command, transaction, signer, retention, now_us)


def drop_audit(
    command: DropAuditSegment,
    transaction: Transaction,
    signer: AuditSigner | None,
    retention: Retention,
    now_us: int,
) -> Done:
    """Drop one node's events up to where a checkpoint sealed them, leaving a stub.

    Raises:
        NotFound: there is no such checkpoint, or it does not seal this node.
        Conflict: they are too young, the end of the chain, or not what was sealed.
    """
    if signer is None:
        raise InternalError
    checkpoint = transaction.checkpoint(command.checkpoint)
    sealed = _head(checkpoint, command.node)
    if checkpoint is None or sealed is None:
        raise NotFound(f"checkpoint {command.checkpoint} of {command.node}")
    if retention.audit_us is None or checkpoint.made_us > now_us - retention.audit_us:
        raise Conflict(f"checkpoint {checkpoint.number} is within the audit retention")
    last_stub = transaction.last_stub(command.node)
    first = last_stub.last_seq + 1 if last_stub else 1
    end = next((each for each in transaction.chain_heads() if each.node == command.node), None)
    if end is None or not first <= sealed.seq < end.seq:
        # The last event stays: the chain goes on from it.
        raise Conflict(f"nothing to drop before {command.node}/{sealed.seq}")
    events = list(transaction.events_between(command.node, first, sealed.seq))
    try:
        verify_segment(events, checkpoint, sealed, last_stub)
    except Broken as err:
        problem = f"the audit trail of {command.node} is not whole ({err}); run audit verify"
        raise Conflict(problem) from err
    unsigned = AuditStub(
        node=command.node,
        first_seq=first,
        last_seq=sealed.seq,
        digest=sealed.digest,
        checkpoint=checkpoint.number,
        dropped_us=now_us,
        key_id=signer.key_id,
    )
    transaction.drop_segment(replace(unsigned, signature=signer.sign(unsigned.signed_octets())))
    event = event_by(
        SYSTEM,
        AuditAction.AUDIT_RETENTION,
        now_us=now_us,
        resource_type="audit_events",
        details={
            "node": command.node,
            "first_seq": first,
            "last_seq": sealed.seq,
            "checkpoint": checkpoint.number,
        },
    )
    return Done(result=AuditDropped(len(events)), events=(event,))


def drop_records(
    command: DropRecords, transaction: Transaction, retention: Retention, now_us: int
) -> Done:
    """Drop certificates that expired long ago; any other of those named stays.

    Raises:
        Conflict: the settings keep everything, or too many are named at once.
    """
    if retention.records_us is None or len(command.certificate_ids) > MOST_RECORDS:
        raise Conflict("records are kept, or too many are named at once")
    before_us = now_us - retention.records_us
    dropped = transaction.drop_certificates(command.certificate_ids, before_us)
    if not dropped:
        return Done(result=RecordsDropped(0))
    event = event_by(
        SYSTEM,
        AuditAction.RECORD_RETENTION,
        now_us=now_us,
        resource_type="certificates",
        details={
            "certificates": dropped,
            "first_id": min(command.certificate_ids),
            "last_id": max(command.certificate_ids),
            "expired_before_us": before_us,
        },
    )
    return Done(result=RecordsDropped(dropped), events=(event,))


def _head(checkpoint: Checkpoint | None, node: str) -> ChainHead | None:
    heads = checkpoint.heads if checkpoint else ()
    return next((head for head in heads if head.node == node), None)
