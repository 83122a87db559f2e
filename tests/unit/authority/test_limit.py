"""The limit per principal in the authority: exact, in one batch and over many."""

from __future__ import annotations

import pytest

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import PolicyViolation, RateLimited
from certctl.domain.order import Issued, Order
from tests.harness.replacing import replace
from tests.unit.authority.conftest import Workshop


def orders(workshop: Workshop, number: int, **changes: object) -> list[Order]:
    return [workshop.order("pump", limit_24h=2, **changes) for _ in range(number)]


def kinds(outcomes: list[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_two_in_one_batch_see_each_other(workshop: Workshop) -> None:
    outcomes = workshop.service.run(orders(workshop, 4))
    assert kinds([*outcomes]) == [Issued, Issued, RateLimited, RateLimited]
    assert len(workshop.records().certificates()) == 2


def test_the_window_slides_and_outlives_a_restart(workshop: Workshop) -> None:
    workshop.service.run(orders(workshop, 1))
    workshop.now_us += 3_600 * SECOND_US
    workshop.service.run(orders(workshop, 1))
    service = workshop.serve_again()
    [refused] = service.run(orders(workshop, 1))
    assert isinstance(refused, RateLimited)
    assert (refused.limit, refused.retry_after) == (2, 23 * 3_600)

    workshop.now_us += 23 * 3_600 * SECOND_US
    assert kinds([*service.run(orders(workshop, 2))]) == [Issued, RateLimited]


def test_repeats_and_refusals_do_not_count(workshop: Workshop) -> None:
    first = orders(workshop, 1)[0]
    empty = orders(workshop, 1, subject_der=bytes.fromhex("3000"))[0]
    for _ in range(3):
        workshop.service.run([replace(first, request_id="again")])
        [refused] = workshop.service.run([empty])
        assert isinstance(refused, PolicyViolation)
    assert kinds([*workshop.service.run(orders(workshop, 2))]) == [Issued, RateLimited]
    # What it had already it still gets, at the limit too.
    assert kinds([*workshop.service.run([first])]) == [Issued]


def test_policy_speaks_before_the_limit(workshop: Workshop) -> None:
    workshop.service.run(orders(workshop, 2))
    weak = orders(workshop, 1, certificate_profile="gone")
    assert kinds([*workshop.service.run(weak)]) != [RateLimited]


@pytest.mark.parametrize(
    "change", [{"source_address": "192.0.2.8"}, {"profile": "other"}], ids=["source", "profile"]
)
def test_another_source_or_profile_is_not_limited(
    workshop: Workshop, change: dict[str, object]
) -> None:
    workshop.service.run(orders(workshop, 2))
    assert kinds([*workshop.service.run(orders(workshop, 1, **change))]) == [Issued]


def test_whom_it_counts_for_is_not_the_workers_to_say(workshop: Workshop) -> None:
    """Principal, request and repetition key are the worker's words; names and source count."""
    lying = [
        replace(each, principal=f"somebody-{n}", repetition_key=bytes([n]) * 32)
        for n, each in enumerate(orders(workshop, 3))
    ]
    assert kinds([*workshop.service.run(lying)]) == [Issued, Issued, RateLimited]


def test_a_clock_that_goes_backwards_gives_nothing_away(workshop: Workshop) -> None:
    workshop.service.run(orders(workshop, 2))
    workshop.now_us -= 300 * DAY_US
    # The CA itself is not valid at that time; the limit speaks first.
    assert kinds([*workshop.service.run(orders(workshop, 1))]) == [RateLimited]


def test_old_windows_go_away_by_themselves(workshop: Workshop) -> None:
    named = [workshop.order(f"device-{n}", limit_24h=1) for n in range(30)]
    workshop.service.run(named)
    workshop.now_us += DAY_US
    for n in range(4):
        workshop.service.run([workshop.order(f"later-{n}", limit_24h=1)])
    with workshop.store.transaction() as transaction:
        rows = transaction._open().exec_driver_sql("SELECT count(*) FROM limits").scalar_one()
    assert rows == 4


def test_without_a_limit_nothing_is_counted(workshop: Workshop) -> None:
    workshop.service.run([workshop.order("pump") for _ in range(3)])
    with workshop.store.transaction() as transaction:
        rows = transaction._open().exec_driver_sql("SELECT count(*) FROM limits").scalar_one()
    assert rows == 0
