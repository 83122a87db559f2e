"""What a certificate renews and what renews it, from the records (records §3)."""

from __future__ import annotations

from certctl.domain.certificates import CertificateRecord
from certctl.domain.inventory import CertificateSummary
from certctl.domain.ports import Records

MOST_RENEWALS = 100
"""In each direction: a history is read, not walked for ever."""


def renewal_history(records: Records, record: CertificateRecord) -> list[CertificateSummary]:
    """The certificates before it, then those after it; oldest first, without itself."""
    return [*_before(records, record), *_after(records, record)]


def _before(records: Records, record: CertificateRecord) -> list[CertificateSummary]:
    """What it renews, and what that renewed …"""
    chain: list[CertificateSummary] = []
    renewed = record.renews
    while renewed is not None and len(chain) < MOST_RENEWALS:
        known = records.summaries([renewed])
        if renewed not in known:
            break
        chain.append(known[renewed])
        renewed = chain[-1].renews
    chain.reverse()
    return chain


def _after(records: Records, record: CertificateRecord) -> list[CertificateSummary]:
    """What renews it, and what renews that …; by generation."""
    found: list[CertificateSummary] = []
    waiting = [record.id]
    while waiting and len(found) < MOST_RENEWALS:
        for each in records.renewals_of(waiting.pop(0)):
            found.append(each)
            waiting.append(each.id)
    return found[:MOST_RENEWALS]
