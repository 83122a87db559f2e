"""Sealing the audit trail: a signed checkpoint over every node's chain (records §5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from certctl.authority import leases
from certctl.authority.commands import SealAudit, Sealed
from certctl.authority.done import Done
from certctl.domain.checkpoint import GENESIS, Checkpoint
from certctl.domain.errors import InternalError
from certctl.domain.ports import Transaction

JOB = "checkpoint"


class AuditSigner(Protocol):
    """The key that seals: Ed25519, used for nothing else."""

    @property
    def key_id(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


def seal(
    command: SealAudit, transaction: Transaction, signer: AuditSigner | None, now_us: int
) -> Done:
    """Sign where all chains stand; nothing when they have not grown since the last time.

    Raises:
        LeaseLost: another node seals by now.
    """
    if signer is None:
        raise InternalError
    leases.require(transaction, JOB, command.fence)
    last = transaction.last_checkpoint()
    heads = tuple(transaction.chain_heads())
    if not heads or (last is not None and last.heads == heads):
        return Done(result=Sealed(None))
    unsigned = Checkpoint(
        number=last.number + 1 if last else 1,
        # Checkpoints never go back in time, whatever the clock does.
        made_us=max(now_us, last.made_us if last else 0),
        previous=last.digest() if last else GENESIS,
        heads=heads,
        key_id=signer.key_id,
    )
    checkpoint = replace(unsigned, signature=signer.sign(unsigned.signed_octets()))
    transaction.append_checkpoint(checkpoint)
    return Done(result=Sealed(checkpoint))
