"""Which function carries out which command."""

from __future__ import annotations

from certctl.authority.commands import ApproveRequest, Command, DenyRequest, RevokeCertificate
from certctl.authority.decide import approve, deny
from certctl.authority.done import Done
from certctl.authority.revoke import revoke
from certctl.domain.ports import Transaction


def carry_out(command: Command, transaction: Transaction, now_us: int) -> Done:
    """Do what a command says inside ``transaction``.

    Raises:
        Failure: it is refused; the transaction must be rolled back.
    """
    match command:
        case RevokeCertificate():
            return revoke(command, transaction, now_us)
        case ApproveRequest():
            return approve(command, transaction, now_us)
        case DenyRequest():
            return deny(command, transaction, now_us)
