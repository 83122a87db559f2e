"""Revocations that a CA outside must be told (records §4), by way of the outbox.

The word of a revocation is durable with the revocation itself, one row for its CA. The
jobs process names what is due; here a call is begun for each, in threads of their own, and
what came of it is written into the row: told, due again later, or dead. A CA is told at
least once, for a process that is killed in between does not know that it was.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import Final

from certctl.authority import leases
from certctl.authority.calls import Finished, OutsideCalls
from certctl.authority.commands.telling import IssuersTold, TellIssuers
from certctl.authority.done import Done
from certctl.domain.certificates import CertificateStatus
from certctl.domain.errors import Conflict, Failure
from certctl.domain.events import Delivery, ca_channel, delivered, failed, given_up
from certctl.domain.ports import Transaction
from certctl.domain.revocation import RevocationReason

JOB: Final = "tell-issuers"

MOST: Final = 32
"""Calls that are begun by one command."""

NOT_REVOKED: Final = "the certificate is not revoked, or not on record any more"
NOBODY: Final = "this issuer is not set up, or has no way to revoke"


def tell(
    command: TellIssuers, transaction: Transaction, calls: OutsideCalls | None, now_us: int
) -> Done:
    """Begin the calls of these once nothing of it can be lost.

    Raises:
        LeaseLost: another node tells by now.
        Conflict: too many at once.
    """
    leases.require(transaction, JOB, command.fence)
    if len(command.deliveries) > MOST:
        raise Conflict(f"{len(command.deliveries)} revocations at once, at most {MOST}")
    settled: list[Delivery] = []
    begun = []
    for each in command.deliveries:
        # Of the row nothing but its name and its attempts is believed.
        record = transaction.certificate(each.subject.removeprefix("certificate/"))
        if (
            record is None
            or record.status is not CertificateStatus.REVOKED
            or each.channel != ca_channel(record.issuer_id)
        ):
            settled.append(given_up(each, NOT_REVOKED, now_us))
        elif calls is None or not calls.can_revoke(record.issuer_id):
            settled.append(failed(each, NOBODY, now_us, random=random.random))
        else:
            reason = RevocationReason(record.revocation_reason or RevocationReason.UNSPECIFIED)
            begun.append(partial(calls.tell, each, record.issuer_id, record.der, reason))
    transaction.settle_deliveries([replace(each, body="") for each in settled])

    def begin() -> None:
        for call in begun:
            call()

    return Done(result=IssuersTold(len(begun)), after=begin)


def told(done: Finished, delivery: Delivery, transaction: Transaction, now_us: int) -> None:
    """Write what came of one call."""
    if isinstance(done.answer, Failure):
        error = str(done.answer) or done.answer.reason
        after = failed(delivery, error, now_us, random=random.random)
    else:
        after = delivered(delivery, now_us)
    transaction.settle_deliveries([replace(after, body="")])
