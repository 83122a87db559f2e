"""What a certificate renews and is renewed by, for commands and pages (records §3)."""

from __future__ import annotations

from collections.abc import Iterator

from certctl.domain.inventory import CertificateSummary
from certctl.domain.ports.reads import CertificateReads

MOST_RENEWALS = 100


def renewal_history(
    records: CertificateReads, certificate_id: str, renews: str | None
) -> list[CertificateSummary]:
    """Its forebears, oldest first, then what renewed it, by generation; itself left out."""
    return [*_before(records, renews), *_after(records, certificate_id)]


def _before(records: CertificateReads, renewed: str | None) -> Iterator[CertificateSummary]:
    """What it renews, and what that renewed …; oldest first."""
    chain: list[CertificateSummary] = []
    while renewed is not None and len(chain) < MOST_RENEWALS:
        known = records.summaries([renewed])
        if renewed not in known:
            break
        chain.append(known[renewed])
        renewed = chain[-1].renews
    return reversed(chain)


def _after(records: CertificateReads, certificate_id: str) -> Iterator[CertificateSummary]:
    """What renews it, and what renews that …; by generation."""
    waiting = [certificate_id]
    given = 0
    while waiting and given < MOST_RENEWALS:
        for each in records.renewals_of(waiting.pop(0)):
            yield each
            given += 1
            waiting.append(each.id)
