"""Which function carries out which command."""

from __future__ import annotations

from certctl.authority.commands import Command, ReloadTrust, RevokeCertificate
from certctl.authority.done import Done
from certctl.authority.reload_trust import reload_trust
from certctl.authority.revoke import revoke
from certctl.domain.ports import Transaction, TrustBundles


def carry_out(
    command: Command, transaction: Transaction, now_us: int, *, bundles: TrustBundles | None
) -> Done:
    """Do what a command says inside ``transaction``.

    Raises:
        Failure: it is refused; the transaction must be rolled back.
    """
    match command:
        case RevokeCertificate():
            return revoke(command, transaction, now_us)
        case ReloadTrust():
            return reload_trust(command, bundles, now_us)
