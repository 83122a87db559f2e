"""A bulk revocation from its criteria to its totals, for whoever carries the commands.

Searches the records, which never disturbs the authority, and gives one command after the
other; the caller has each carried out and hands its result back. Between two of them the
authority serves orders. Ended half-way, what was revoked stays revoked, and the same
revocation once more goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from certctl.authority.commands import BeginBulkRevoke, BulkRevokeBegun, RevokeSlice, SliceRevoked
from certctl.domain.bulk_revocation import (
    CATCH_UP_US,
    SLICE,
    BulkTotals,
    RevocationCriteria,
    is_revocable,
)
from certctl.domain.certificates import CertificateSource
from certctl.domain.inventory import CertificateFilter, CertificateSummary
from certctl.domain.ports import Records
from certctl.domain.revocation import RevocationReason

# Devices renew meanwhile, with certificates that were still valid. Each round revokes
# what came during the one before; a chain of renewals faster than this is no device's.
_ROUNDS = 5

_PAGE = 500


class BulkRevocation:
    """Use once: ``dry_run``, or the commands of ``commands`` with ``take`` after each."""

    def __init__(
        self,
        criteria: RevocationCriteria,
        reason: RevocationReason,
        *,
        actor: str,
        operation: str,
        records: Records,
        now_us: int,
    ) -> None:
        """``operation`` is a new id, which the events of all of it carry.

        Raises:
            CriteriaRefused: they would choose everything, or nothing by mistake.
        """
        criteria.require()
        self.totals = BulkTotals()
        self._criteria = criteria
        self._reason = reason
        self._actor = actor
        self._operation = operation
        self._records = records
        self._now_us = now_us
        self._recent: set[str] = set()

    def dry_run(self) -> BulkTotals:
        """Count, and change nothing."""
        for _ in self._revocable(self._criteria.wanted()):
            pass
        return self.totals

    def commands(self) -> Iterator[BeginBulkRevoke | RevokeSlice]:
        """What is to be carried out, in this order; hand each slice's result to ``take``."""
        yield BeginBulkRevoke(
            operation=self._operation,
            criteria=self._criteria,
            reason=self._reason,
            actor=self._actor,
        )
        wanted = self._criteria.wanted()
        since_us = self._now_us - CATCH_UP_US
        for _ in range(_ROUNDS):
            before = self.totals.total_revoked
            yield from self._slices(self._revocable(wanted))
            if self._listed or self.totals.total_revoked == before:
                return
            wanted = _since(wanted, since_us)

    def take(self, done: SliceRevoked | BulkRevokeBegun) -> None:
        """Count what one command has done."""
        if isinstance(done, BulkRevokeBegun):
            return
        self.totals.total_revoked += done.revoked
        self.totals.total_skipped += done.skipped
        for each in done.failed:
            self.totals.fail(f"certificate {each} does not fit the criteria any more")

    def run(
        self,
        execute: Callable[[BeginBulkRevoke | RevokeSlice], SliceRevoked | BulkRevokeBegun],
        progress: Callable[[BulkTotals], None] = lambda _: None,
    ) -> BulkTotals:
        """All of it, for a caller that blocks."""
        for command in self.commands():
            self.take(execute(command))
            progress(self.totals)
        return self.totals

    @property
    def _listed(self) -> bool:
        return self._criteria.certificate_ids is not None or self._criteria.serials is not None

    def _slices(self, ids: Iterable[str]) -> Iterator[RevokeSlice]:
        waiting: list[str] = []
        for each in ids:
            waiting.append(each)
            if len(waiting) == SLICE:
                yield self._slice(waiting)
                waiting = []
        if waiting:
            yield self._slice(waiting)

    def _slice(self, ids: list[str]) -> RevokeSlice:
        return RevokeSlice(
            operation=self._operation,
            criteria=self._criteria.unlisted(),
            certificate_ids=tuple(ids),
            reason=self._reason,
            actor=self._actor,
        )

    def _revocable(self, wanted: CertificateFilter) -> Iterator[str]:
        """Ids to revoke, while all that matches is counted, once."""
        listed = self._listed
        for found in self._named() if listed else self._searched(wanted):
            if found.id in self._recent:
                # Seen in an earlier round; revoked since then, or it is none of ours.
                continue
            if found.issued_us >= self._now_us - CATCH_UP_US:
                self._recent.add(found.id)
            self.totals.total_matched += 1
            if is_revocable(found, self._reason, self._now_us):
                yield found.id
            else:
                self.totals.total_skipped += 1

    def _searched(self, wanted: CertificateFilter) -> Iterator[CertificateSummary]:
        cursor: str | None = None
        while True:
            page = self._records.search(
                wanted, self._now_us, limit=_PAGE, cursor=cursor, oldest_first=True
            )
            yield from page.rows
            cursor = page.cursor
            if cursor is None:
                return

    def _named(self) -> Iterator[CertificateSummary]:
        """What ids and serials name; what is not there, or not of EST, is told."""
        named = self._criteria.serials
        serials = None if named is None else {each.lower().lstrip("0") or "0" for each in named}
        for found in self._of_lists():
            if serials is not None and found.serial not in serials:
                continue
            if found.source is not CertificateSource.EST:
                self.totals.fail(f"certificate {found.id} was not issued over EST: left alone")
            elif self._criteria.choose(found, self._now_us):
                yield found

    def _of_lists(self) -> Iterator[CertificateSummary]:
        ids, serials = self._criteria.certificate_ids, self._criteria.serials
        if ids is not None:
            distinct = [*dict.fromkeys(ids)]
            for start in range(0, len(distinct), SLICE):
                some = distinct[start : start + SLICE]
                known = self._records.summaries(some)
                for each in some:
                    if each in known:
                        yield known[each]
                    else:
                        self.totals.fail(f"certificate {each} is not on record")
            return
        for serial in dict.fromkeys(serials or ()):
            page = self._records.search(CertificateFilter(serial=serial), self._now_us)
            if not page.rows:
                self.totals.fail(f"no certificate with serial {serial} is on record")
            yield from page.rows


def _since(wanted: CertificateFilter, since_us: int) -> CertificateFilter:
    return replace(wanted, issued_from_us=max(wanted.issued_from_us or 0, since_us))
