"""Makes the CRL of one issuer: when its time has come, and soon after a revocation.

Everything is read from the records as of one moment and encoded here; the authority
checks and signs it. What the newest CRL was made from is on record with it, so that
neither a restart nor another node forgets a revocation that came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from certctl.authority.commands import (
    Command,
    CrlPartKept,
    CrlPartsDropped,
    CrlPublished,
    DropCrlParts,
    PutCrlPart,
    SignCrl,
)
from certctl.authority.crl import LEASE_US, job_name
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.crl import CrlRecord
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller
from certctl.wire.crl import CrlFields, CrlIssuer, encode_pieces

Answer = TypeVar("Answer")

LOOK_US = 1 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlTimes:
    """Microseconds: see CRL_GENERATION_INTERVAL, CRL_DEBOUNCE and CRL_VALIDITY."""

    interval_us: int
    debounce_us: int
    validity_us: int


class PieceCaller(Caller, Protocol):
    """The authority, as who sends it many pieces calls it."""

    def execute_each(self, commands: Iterable[Command], answer: type[Answer]) -> int:
        """One after the other, the next being made meanwhile; gives how many there were."""
        ...


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
        clock: Clock,
        on_published: Callable[[CrlRecord, int], None],
    ) -> None:
        self.name = job_name(issuer_id)
        self._issuer_id = issuer_id
        self._issuer = issuer
        self._times = times
        self._records = records
        self._caller = caller
        self._clock = clock
        # Given how long the run took, too, in microseconds.
        self._on_published = on_published
        self._changed_us: int | None = None

    def is_wanted(self, now_us: int) -> bool:
        last = self._records.crl(self._issuer_id)
        if last is None or self._is_scheduled(last, now_us):
            return True
        if self._records.revocation_stamp(self._issuer_id) == last.stamp:
            self._changed_us = None
            return False
        if self._changed_us is None or now_us < self._changed_us:
            self._changed_us = now_us
        # It may have changed right after the look before.
        return now_us - self._changed_us >= self._times.debounce_us - LOOK_US

    def run(self, fence: int) -> None:
        last = self._records.crl(self._issuer_id)
        # Before the entries: what changes in between makes one CRL more, not one less.
        stamp = self._records.revocation_stamp(self._issuer_id)
        now_us = self._clock()
        number = last.number + 1 if last else 1
        # All of it before anything is written: a reader of one state keeps SQLite from
        # using its log again, and what has gathered there is written by one commit then.
        blocks = [
            *self._records.revoked(self._issuer_id, listed_us=last.scheduled_us if last else 0)
        ]
        fields = CrlFields(
            number=number,
            this_update_us=now_us,
            next_update_us=now_us + self._times.validity_us,
        )
        parts = self._send(encode_pieces(self._issuer, fields, blocks), number, fence)
        del blocks
        signed = self._caller.execute(
            SignCrl(
                fence=fence,
                issuer_id=self._issuer_id,
                number=number,
                parts=parts,
                scheduled=last is None or self._is_scheduled(last, now_us),
                stamp=stamp,
            ),
            CrlPublished,
        )
        self._changed_us = None
        self._on_published(signed.crl, self._clock() - now_us)
        self._drop_old(fence)

    def _is_scheduled(self, last: CrlRecord, now_us: int) -> bool:
        # A clock set back far must not stop the schedule for as long as it was ahead.
        return not 0 <= now_us - last.scheduled_us < self._times.interval_us

    def _send(self, pieces: Iterable[bytes], number: int, fence: int) -> int:
        """Each is a short transaction; gives how many."""
        commands = (
            PutCrlPart(
                fence=fence, issuer_id=self._issuer_id, number=number, part=part, octets=octets
            )
            for part, octets in enumerate(pieces)
        )
        return self._caller.execute_each(commands, CrlPartKept)

    def _drop_old(self, fence: int) -> None:
        command = DropCrlParts(fence=fence, issuer_id=self._issuer_id)
        while self._caller.execute(command, CrlPartsDropped).more:
            pass
