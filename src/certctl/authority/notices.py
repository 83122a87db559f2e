"""Notices of what expires soon, inside a transaction: each once (records §7).

A notice and the mark that it was given are written together. Whatever was revoked since
the job has looked is left out.
"""

from __future__ import annotations

import hashlib
from typing import Final

from certctl.authority import leases
from certctl.authority.commands import AnnounceCertificates, Announced, AnnounceExpiry
from certctl.authority.done import Done
from certctl.authority.outbox import expiring_event
from certctl.domain.certificates import CertificateStatus
from certctl.domain.ports import Transaction

JOB: Final = "expiry"


def announce_certificates(
    command: AnnounceCertificates, transaction: Transaction, now_us: int
) -> Done:
    """Notices of certificates that are still valid, and the mark behind them.

    Raises:
        LeaseLost: another node gives notices by now.
    """
    leases.require(transaction, JOB, command.fence)
    records = transaction.certificates_by_id(command.certificate_ids)
    events = tuple(
        expiring_event(
            records[each],
            command.days,
            event_id=notice_id(f"{command.mark.name}/{each}", now_us),
            now_us=now_us,
        )
        for each in command.certificate_ids
        if each in records and records[each].status is CertificateStatus.VALID
    )
    transaction.put_notice_mark(command.mark)
    return Done(result=Announced(len(events)), notices=events)


def announce_expiry(command: AnnounceExpiry, transaction: Transaction) -> Done:
    """One notice, unless its mark says that it was given.

    Raises:
        LeaseLost: another node gives notices by now.
    """
    leases.require(transaction, JOB, command.fence)
    if transaction.notice_mark(command.mark.name) is not None:
        return Done(result=Announced(0))
    transaction.put_notice_mark(command.mark)
    return Done(result=Announced(1), notices=(command.event,))


def notice_id(what: str, now_us: int) -> str:
    """32 hexadecimal characters like other ids, that sort by time; one notice, one id."""
    return (now_us // 1_000).to_bytes(6, "big").hex() + hashlib.sha256(what.encode()).hexdigest()[
        :20
    ]
