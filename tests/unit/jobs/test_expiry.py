"""Notices of what expires soon: once per number of days, by a clock that is turned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from certctl.authority.issue import IssuingRules
from certctl.authority.outbox import Outbox
from certctl.authority.service import AuthorityService
from certctl.domain.certificates import CertificateRecord
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.events import EventType, NoticeMark
from certctl.domain.lockout import LockoutRule
from certctl.domain.revocation import RevocationReason
from certctl.jobs import expiry
from certctl.jobs.expiry import Expiring, ExpiryJob
from certctl.settings.channels import TYPES
from tests.contract.samples import certificate
from tests.unit.jobs.test_loop import Node

HOUR_US = 3_600 * SECOND_US


class Calendar:
    """A node whose expiry job runs each hour; ``told`` is (days, certificate number)."""

    def __init__(self, directory: Path) -> None:
        self.node = Node(directory)
        self.others: Sequence[Expiring] = ()
        ids = iter(range(10_000))
        self.node.service = AuthorityService(
            self.node.store,
            IssuingRules({}, {}),
            node="one",
            clock=lambda: self.node.now_us,
            new_id=lambda: f"{next(ids):032x}",
            on_fault=self.node.faults.append,
            outbox=Outbox(
                dict.fromkeys(TYPES, ("ops",)),
                source="urn:x",
                lockout_failures=LockoutRule().failures,
            ),
        )
        self.loop = self.node.loop(
            ExpiryJob(
                self.node.store,
                self.node,
                days=(30, 7, 1),
                others=lambda: self.others,
                clock=lambda: self.node.now_us,
            )
        )

    def issue(self, number: int, days: float, **changes: object) -> CertificateRecord:
        record = certificate(number, not_after_us=self.node.now_us + int(days * DAY_US), **changes)
        with self.node.store.transaction() as transaction:
            transaction.record_certificates([record])
        return record

    def turn(self, days: float = 0.0) -> None:
        """Hour after hour."""
        for _ in range(max(1, int(days * 24))):
            self.node.now_us += HOUR_US
            self.loop.tick()
        assert self.node.told == []

    def told(self) -> list[tuple[int, int]]:
        rows = sorted(self.node.store.deliveries(), key=lambda each: each.made_us)
        data = [json.loads(each.body)["data"] for each in rows]
        return [(each["days"], int(each.get("certificate_id", 0))) for each in data]


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[Calendar]:
    made = Calendar(tmp_path)
    yield made
    assert made.node.faults == []


def test_each_number_of_days_once(calendar: Calendar) -> None:
    calendar.turn()
    calendar.issue(1, 40)
    calendar.turn(9.9)
    assert calendar.told() == []
    calendar.turn(0.2)
    assert calendar.told() == [(30, 1)]
    calendar.turn(22.8)
    assert calendar.told() == [(30, 1)]
    calendar.turn(0.2)
    assert calendar.told() == [(30, 1), (7, 1)]
    calendar.turn(8)
    assert calendar.told() == [(30, 1), (7, 1), (1, 1)]


def test_the_first_run_tells_of_what_is_there_under_its_smallest_number(
    calendar: Calendar,
) -> None:
    for number, days in ((1, 0.5), (2, 5), (3, 20), (4, 31), (5, -1)):
        calendar.issue(number, days)
    calendar.turn()
    assert calendar.told() == [(1, 1), (7, 2), (30, 3)]


def test_missed_runs_are_caught_up_once(calendar: Calendar) -> None:
    calendar.turn()
    calendar.issue(1, 40)
    calendar.issue(2, 60)
    calendar.node.now_us += 35 * DAY_US
    calendar.turn(0.5)
    assert calendar.told() == [(7, 1), (30, 2)]


def test_what_is_issued_shorter_is_not_told_of(calendar: Calendar) -> None:
    calendar.turn()
    calendar.issue(1, 10)
    calendar.issue(2, 0.5)
    calendar.turn(2)
    assert calendar.told() == []
    calendar.turn(1.5)
    assert calendar.told() == [(7, 1)]


def test_revoked_and_renewed_ones_are_not_told_of(calendar: Calendar) -> None:
    calendar.turn()
    old = calendar.issue(1, 40)
    calendar.issue(2, 40)
    calendar.issue(3, 40)
    calendar.turn(5)
    with calendar.node.store.transaction() as transaction:
        transaction.revoke_certificates(
            [certificate(2).id], calendar.node.now_us, RevocationReason.SUPERSEDED
        )
    calendar.issue(11, 90, subject_der=old.subject_der, san_der=old.san_der)
    calendar.turn(10)
    assert calendar.told() == [(30, 3)]


def test_more_than_a_page_is_told_once_each(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "PAGE", 3)
    for number in range(10):
        # All at one moment: the id tells where a page has ended.
        calendar.issue(number, 20 if number < 8 else 5)
    calendar.turn(1)
    assert sorted(calendar.told()) == [(7, 8), (7, 9), *((30, n) for n in range(8))]


def test_a_run_that_is_cut_off_goes_on_where_it_was(calendar: Calendar) -> None:
    first, second = calendar.issue(1, 20), calendar.issue(2, 20)
    assert first.not_after_us == second.not_after_us
    mark = NoticeMark(name="cert/30", at_us=first.not_after_us, id=first.id)
    with calendar.node.store.transaction() as transaction:
        transaction.put_notice_mark(mark)
    calendar.turn()
    assert calendar.told() == [(30, 2)]


def test_a_clock_that_is_set_back_repeats_nothing(calendar: Calendar) -> None:
    calendar.issue(1, 25)
    calendar.turn()
    calendar.node.now_us -= 10 * DAY_US
    calendar.turn(9)
    assert calendar.told() == [(30, 1)]


def test_a_ca_and_an_anchor_are_told_of_once_per_number(calendar: Calendar) -> None:
    end_us = calendar.node.now_us + 35 * DAY_US
    calendar.others = [
        Expiring(type=kind, key="k", subject="x", not_after_us=end_us, data={"sha256": "ab"})
        for kind in (EventType.CA_EXPIRING_SOON, EventType.TRUST_EXPIRING_SOON)
    ]
    calendar.turn(36)
    rows = sorted(calendar.node.store.deliveries(), key=lambda each: each.made_us)
    kinds = [EventType.CA_EXPIRING_SOON, EventType.TRUST_EXPIRING_SOON]
    assert [each.type for each in rows] == kinds * 3
    assert [days for days, _ in calendar.told()] == [30, 30, 7, 7, 1, 1]
