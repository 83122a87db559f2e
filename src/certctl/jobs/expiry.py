"""Notices of what expires soon: certificates, CAs, trust anchors (records §7).

For each number of days a mark says up to which notAfter notices were given, so that each
certificate is told of once per number of days, missed runs are caught up once, and a
certificate that is issued shorter than that is not told of. What falls under several
numbers at once is told under the smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from certctl.authority.commands import AnnounceCertificates, Announced, AnnounceExpiry
from certctl.authority.notices import JOB, notice_id
from certctl.domain.clock import DAY_US, SECOND_US, Clock
from certctl.domain.events import Event, EventData, EventType, NoticeMark
from certctl.domain.ports import Records
from certctl.jobs.loop import Caller

PAGE: Final = 200

BEHIND_ALL_IDS: Final = "~"
"""Sorts behind every id: ids are hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """A CA or a trust anchor. ``key`` tells it from all others of its type."""

    type: EventType
    key: str
    subject: str
    not_after_us: int
    data: EventData


class ExpiryJob:
    """Implements ``loop.Job``."""

    name = JOB
    every_us = 3_600 * SECOND_US
    lease_us = 600 * SECOND_US

    def __init__(
        self,
        records: Records,
        caller: Caller,
        *,
        days: Sequence[int],
        others: Callable[[], Sequence[Expiring]],
        clock: Clock,
    ) -> None:
        """``others`` reads CAs and trust anchors as they are now."""
        self._records = records
        self._caller = caller
        self._days = sorted(days)
        self._others = others
        self._clock = clock

    def is_wanted(self, now_us: int) -> bool:
        return now_us > 0

    def run(self, fence: int) -> None:
        now_us = self._clock()
        marks = self._records.notice_marks()
        # From the most urgent on: each looks only behind the end of the one before.
        lower_us = now_us
        for days in self._days:
            self._certificates(
                fence, days, marks, lower_us=lower_us, until_us=now_us + days * DAY_US
            )
            lower_us = now_us + days * DAY_US
        for each in self._others():
            self._other(fence, each, marks, now_us)

    def _certificates(
        self,
        fence: int,
        days: int,
        marks: Mapping[str, NoticeMark],
        *,
        lower_us: int,
        until_us: int,
    ) -> None:
        name = f"cert/{days}"
        mark = NoticeMark(name=name, at_us=lower_us, id=BEHIND_ALL_IDS)
        known = marks.get(name)
        if known is not None and known.at_us >= until_us:
            # The clock was set back: these were told of.
            return
        if known is not None and known.at_us >= lower_us:
            mark = known
        end = NoticeMark(name=name, at_us=until_us, id=BEHIND_ALL_IDS)
        while mark != end:
            page = self._records.expiring_certificates(mark, until_us, PAGE)
            mark = end
            if len(page) == PAGE:
                last_id, last_us = page[-1]
                mark = NoticeMark(name=name, at_us=last_us, id=last_id)
            ids = tuple(certificate_id for certificate_id, _ in page)
            self._caller.execute(
                AnnounceCertificates(fence=fence, days=days, certificate_ids=ids, mark=mark),
                Announced,
            )

    def _other(
        self, fence: int, each: Expiring, marks: Mapping[str, NoticeMark], now_us: int
    ) -> None:
        left_us = each.not_after_us - now_us
        days = next((days for days in self._days if left_us <= days * DAY_US), None)
        if days is None or left_us <= 0:
            return
        name = f"{each.type}/{each.key}/{days}"
        if name in marks:
            return
        event = Event(
            id=notice_id(name, now_us),
            type=each.type,
            time_us=now_us,
            subject=each.subject,
            data={**each.data, "days": days},
        )
        mark = NoticeMark(name=name, at_us=each.not_after_us)
        self._caller.execute(AnnounceExpiry(fence=fence, event=event, mark=mark), Announced)
