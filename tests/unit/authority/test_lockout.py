"""The authority counts wrong passwords: one after the other, whoever sent them at once."""

from __future__ import annotations

import pytest

from certctl.authority.lockout import Attempt
from certctl.domain import lockout as rules
from certctl.domain.audit import AuditAction, AuditEvent, Counter, Outcome
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import Failure, LockedOut, StoreUnavailable
from certctl.domain.lockout import LockoutRule
from certctl.domain.order import Issued
from certctl.domain.ports import WrongAttempt
from certctl.domain.profiles import AuthMode
from tests.unit.authority.conftest import Workshop

SOURCE = "192.0.2.7"
HOUR_US = 3_600 * SECOND_US
LIMIT = LockoutRule().failures


def wrong(source: str = SOURCE) -> Attempt:
    event = AuditEvent(
        time_us=1,
        actor=f"est-client:{source}",
        actor_type="est-client",
        action=AuditAction.AUTH_FAILED_BASIC,
        outcome=Outcome.FAILURE,
        profile="demo",
        source_address=source,
        details={"reason": "wrong_password", "user": "device-1"},
    )
    return Attempt(source, WrongAttempt(event=event, counter=Counter.AUTH_FAILED_BASIC))


def right(source: str = SOURCE) -> Attempt:
    return Attempt(source, None)


def locked(outcomes: list[Failure | None]) -> list[bool]:
    assert all(outcome is None or isinstance(outcome, LockedOut) for outcome in outcomes)
    return [outcome is not None for outcome in outcomes]


def row(workshop: Workshop, source: str = SOURCE) -> rules.Lockout | None:
    records = workshop.records()
    try:
        return records.lockout(source)
    finally:
        records.close()


def test_wrong_passwords_that_come_at_once_are_counted_one_by_one(workshop: Workshop) -> None:
    outcomes = workshop.service.judge([wrong() for _ in range(LIMIT + 5)])
    assert locked(outcomes) == [False] * LIMIT + [True] * 5
    events = [recorded.event for recorded in workshop.records().events()]
    assert [event.details["failures"] for event in events] == list(range(1, LIMIT + 1))
    assert all(event.details["user"] == "device-1" for event in events)
    assert workshop.records().counts() == {("demo", Counter.AUTH_FAILED_BASIC): LIMIT}
    refused = outcomes[-1]
    assert isinstance(refused, LockedOut)
    assert (refused.retry_after, refused.failures) == (3_600, LIMIT)


def test_a_right_password_among_too_many_wrong_ones_is_refused(workshop: Workshop) -> None:
    order = workshop.order()
    workshop.service.judge([wrong() for _ in range(LIMIT)])
    assert locked(workshop.service.judge([right()])) == [True]
    [outcome] = workshop.service.run([order])
    assert isinstance(outcome, LockedOut)
    assert workshop.records().certificates() == []
    assert row(workshop) is not None


@pytest.mark.parametrize("by_order", [True, False])
def test_a_right_password_clears_the_count(workshop: Workshop, *, by_order: bool) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT - 1)])
    if by_order:
        assert isinstance(workshop.service.run([workshop.order()])[0], Issued)
    else:
        assert locked(workshop.service.judge([right()])) == [False]
    assert row(workshop) is None
    assert not any(locked(workshop.service.judge([wrong() for _ in range(LIMIT)])))


def test_an_order_refused_for_something_else_clears_the_count_too(workshop: Workshop) -> None:
    workshop.service.judge([wrong()])
    [outcome] = workshop.service.run([workshop.order(issuer_id="iss-none")])
    assert isinstance(outcome, Failure)
    assert row(workshop) is None


def test_orders_without_a_password_and_other_sources_do_not_care(workshop: Workshop) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT)])
    outcomes = workshop.service.run(
        [
            workshop.order("a", auth_mode=AuthMode.MTLS),
            workshop.order("b", auth_mode=AuthMode.ANONYMOUS),
            workshop.order("c", source_address="192.0.2.8"),
        ]
    )
    assert all(isinstance(outcome, Issued) for outcome in outcomes)
    assert row(workshop) is not None


def test_the_window_ends_and_a_fresh_one_begins(workshop: Workshop) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT)])
    workshop.now_us += HOUR_US - 1
    [refused] = workshop.service.judge([wrong()])
    assert isinstance(refused, LockedOut)
    assert refused.retry_after == 1
    workshop.now_us += 1
    assert locked(workshop.service.judge([wrong() for _ in range(LIMIT + 1)])) == [
        *[False] * LIMIT,
        True,
    ]


def test_a_clock_set_back_gives_no_guess_and_locks_for_one_window(workshop: Workshop) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT)])
    workshop.now_us -= 24 * HOUR_US
    [refused] = workshop.service.judge([wrong()])
    assert isinstance(refused, LockedOut)
    assert refused.retry_after == 3_600
    workshop.now_us += HOUR_US
    assert locked(workshop.service.judge([right()])) == [False]


def test_a_clock_set_back_in_the_middle_keeps_the_count(workshop: Workshop) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT - 1)])
    workshop.now_us -= HOUR_US
    assert locked(workshop.service.judge([wrong(), wrong()])) == [False, True]


def test_it_outlives_a_restart(workshop: Workshop) -> None:
    workshop.service.judge([wrong() for _ in range(LIMIT)])
    assert locked(workshop.serve_again().judge([right()])) == [True]


def test_addresses_of_one_64_share_a_count(workshop: Workshop) -> None:
    attempts = [wrong(f"2001:db8:0:1::{n:x}") for n in range(LIMIT)]
    assert not any(locked(workshop.service.judge(attempts)))
    outcomes = workshop.service.judge([wrong("2001:db8:0:1:ffff::1"), wrong("2001:db8:0:2::1")])
    assert locked(outcomes) == [True, False]


def test_the_sources_kept_are_bounded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certctl.authority.lockout.MAX_SOURCES", 20)
    for turn in range(5):
        workshop.now_us += 1
        workshop.service.judge([wrong(f"192.0.2.{10 * turn + n}") for n in range(10)])
    left = [n for n in range(50) if row(workshop, f"192.0.2.{n}") is not None]
    assert left == list(range(30, 50))


def test_attempts_that_cannot_be_counted_are_not_answered(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise StoreUnavailable("store")

    monkeypatch.setattr(workshop.store, "transaction", broken)
    outcomes = workshop.service.judge([wrong(), right()])
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
