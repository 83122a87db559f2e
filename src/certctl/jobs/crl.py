"""Makes the CRLs of one issuer: when their time has come, and soon after a revocation.

Everything is read from the records as of one moment and encoded here; the authority
checks and signs it. What the newest CRL was made from is on record with it, so that
neither a restart nor another node forgets a revocation that came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from certctl.authority.crl import LEASE_US, job_name
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import CrlRecord, base_of, crl_scope, pack
from certctl.domain.ports import Records
from certctl.jobs.crl_pieces import CrlPublisher, PieceCaller
from certctl.wire.crl import CrlFields, CrlIssuer

LOOK_US = 1 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlTimes:
    """Microseconds: see CRL_GENERATION_INTERVAL, CRL_DEBOUNCE and CRL_VALIDITY."""

    interval_us: int
    debounce_us: int
    validity_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaCrls:
    """That there are delta CRLs: then full ones are made in their time alone.

    Attributes:
        url: where they are found.
        interval_us: one is made at least so often.
    """

    url: str
    interval_us: int

    @property
    def validity_us(self) -> int:
        """Short: who holds one that is valid need not look for a newer one."""
        return 2 * self.interval_us

    def is_over(self, delta: CrlRecord, now_us: int) -> bool:
        return not 0 <= now_us - delta.this_update_us < self.interval_us


class CrlJob:
    """Implements ``loop.Job``."""

    every_us = LOOK_US
    lease_us = LEASE_US

    def __init__(
        self,
        issuer_id: str,
        issuer: CrlIssuer,
        times: CrlTimes,
        *,
        records: Records,
        caller: PieceCaller,
        delta: DeltaCrls | None = None,
        clock: Clock,
        on_published: Callable[[CrlRecord, int], None],
    ) -> None:
        self.name = job_name(issuer_id)
        self._issuer_id = issuer_id
        self._times = times
        self._records = records
        self._delta = delta
        self._clock = clock
        self._publisher = CrlPublisher(
            issuer_id, issuer, caller=caller, clock=clock, on_published=on_published
        )
        self._partitions: Mapping[int, str] = {}
        self._are_there = True
        self._changed_us: int | None = None

    def divide(self, partitions: Mapping[int, str]) -> None:
        """Make the CRLs of these partitions, too: the URL of each by its number."""
        if partitions != self._partitions:
            self._partitions = partitions
            self._are_there = False

    def is_wanted(self, now_us: int) -> bool:
        full = self._records.crl(self._issuer_id)
        if full is None or self._is_full_due(full, now_us) or not self._has_partitions():
            return True
        last = full
        if self._delta is not None:
            delta = self._records.crl(crl_scope(self._issuer_id, delta=True))
            if delta is None or delta.number < full.number or self._delta.is_over(delta, now_us):
                return True
            last = delta
        return self._has_changed(last, now_us)

    def run(self, fence: int) -> None:
        full = self._records.crl(self._issuer_id)
        now_us = self._clock()
        # Before all entries: what changes in between makes one CRL more, not one less.
        stamp = self._records.revocation_stamp(self._issuer_id)
        is_due = full is None or self._is_full_due(full, now_us)
        is_scheduled = full is None or self._is_scheduled(full, now_us)
        # Partitions first: the stamp of the CRL that comes last says that all are made.
        for number, url in self._partitions.items():
            self._make_partition(number, url, full, fence, due=is_due, scheduled=is_scheduled)
        self._are_there = True
        if self._delta is None or full is None or is_due:
            full = self._make_full(full, fence, stamp=stamp, scheduled=is_scheduled)
        if self._delta is not None:
            self._make_delta(full, self._delta, fence, stamp=stamp)
        self._changed_us = None

    def _make_partition(
        self,
        number: int,
        url: str,
        full: CrlRecord | None,
        fence: int,
        *,
        due: bool,
        scheduled: bool,
    ) -> None:
        """Where the full CRL is due, or something has changed in it. It has no delta CRL: it
        is small, and made anew for each change.
        """
        stamp = self._records.revocation_stamp(self._issuer_id, partition=number)
        last = self._records.crl(crl_scope(self._issuer_id, partition=number))
        if last is not None and not due and last.stamp == stamp:
            return
        listed_us = last.scheduled_us if last else 0
        blocks = [*self._records.revoked(self._issuer_id, listed_us=listed_us, partition=number)]
        now_us = self._clock()
        # The first of a partition is above all of the full CRL's: a restore goes on there, and
        # may bring back a state in which this partition was not known yet.
        before = last or full
        fields = CrlFields(
            number=1 + (before.number if before else 0),
            this_update_us=now_us,
            next_update_us=now_us + self._times.validity_us,
            distribution_point=url,
        )
        self._publisher.publish(
            fields,
            blocks,
            fence,
            stamp=stamp,
            scheduled=scheduled or last is None,
            partition=number,
        )

    def _make_full(
        self, last: CrlRecord | None, fence: int, *, stamp: str, scheduled: bool
    ) -> CrlRecord:
        now_us = self._clock()
        # All of it before anything is written: a reader of one state keeps SQLite from
        # using its log again, and what has gathered there is written by one commit then.
        blocks = [
            *self._records.revoked(self._issuer_id, listed_us=last.scheduled_us if last else 0)
        ]
        fields = CrlFields(
            number=self._next_number(),
            this_update_us=now_us,
            next_update_us=now_us + self._times.validity_us,
            freshest_url=self._delta.url if self._delta else None,
        )
        return self._publisher.publish(fields, blocks, fence, stamp=stamp, scheduled=scheduled)

    def _make_delta(self, full: CrlRecord, delta: DeltaCrls, fence: int, *, stamp: str) -> None:
        now_us = self._clock()
        base, since_us = base_of(full)
        changes = self._records.revocation_changes(self._issuer_id, since_us=since_us)
        fields = CrlFields(
            number=self._next_number(),
            this_update_us=now_us,
            next_update_us=now_us + delta.validity_us,
            base_number=base,
        )
        self._publisher.publish(fields, [pack(changes)], fence, stamp=stamp, scheduled=True)

    def _has_partitions(self) -> bool:
        """Asked of the store only after they have become others."""
        if not self._are_there:
            heads = self._records.crl_heads()
            scopes = (crl_scope(self._issuer_id, partition=each) for each in self._partitions)
            self._are_there = all(scope in heads for scope in scopes)
        return self._are_there

    def _next_number(self) -> int:
        """Full and delta CRLs share their numbers (RFC 5280 §5.2.3)."""
        found = (
            self._records.crl(crl_scope(self._issuer_id, delta=delta)) for delta in (False, True)
        )
        return 1 + max((each.number for each in found if each is not None), default=0)

    def _has_changed(self, last: CrlRecord, now_us: int) -> bool:
        if self._records.revocation_stamp(self._issuer_id) == last.stamp:
            self._changed_us = None
            return False
        if self._changed_us is None or now_us < self._changed_us:
            self._changed_us = now_us
        # It may have changed right after the look before.
        return now_us - self._changed_us >= self._times.debounce_us - LOOK_US

    def _is_full_due(self, last: CrlRecord, now_us: int) -> bool:
        # Without a stamp it comes out of a backup: nobody knows what has changed since.
        return self._is_scheduled(last, now_us) or not last.stamp

    def _is_scheduled(self, last: CrlRecord, now_us: int) -> bool:
        # A clock set back far must not stop the schedule for as long as it was ahead.
        return not 0 <= now_us - last.scheduled_us < self._times.interval_us
