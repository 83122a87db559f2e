"""The rules of the lock-out: whose failures count together, and when a window ends."""

from __future__ import annotations

import pytest

from certctl.domain.lockout import (
    Lockout,
    LockoutRule,
    current,
    locked_seconds,
    one_more,
    source_key,
)

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
RULE = LockoutRule(failures=3, window_us=60 * SECOND)


def row(failures: int, began_us: int = NOW) -> Lockout:
    return Lockout(source="192.0.2.1", failures=failures, window_began_us=began_us)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:0db8:0001:0002::1", "2001:DB8:1:2::1"),
        ("fe80::1%eth0", "fe80::2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        # Outside the translated /96 its /64 counts as everywhere.
        ("64:ff9b::1:0:0:1", "64:ff9b::2:0:0:1"),
    ],
)
def test_addresses_of_one_source(one: str, other: str) -> None:
    assert source_key(one) == source_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2"),
        ("no:address:at:all", "no:address:at:any"),
    ],
)
def test_addresses_of_two_sources(one: str, other: str) -> None:
    assert source_key(one) != source_key(other)


def test_a_source_is_short_whatever_it_says() -> None:
    assert len(source_key("x" * 10_000)) <= 64
    assert len(source_key(":" * 10_000)) <= 64


def test_it_waits_from_the_last_allowed_failure_to_the_end_of_the_window() -> None:
    assert locked_seconds(None, RULE, NOW) == 0
    assert locked_seconds(row(2), RULE, NOW) == 0
    assert locked_seconds(row(3), RULE, NOW) == 60
    assert locked_seconds(row(3), RULE, NOW + 1) == 60
    assert locked_seconds(row(3), RULE, NOW + 59_999_999) == 1
    assert locked_seconds(row(3), RULE, NOW + 60 * SECOND) == 0


def test_after_the_window_a_fresh_one_begins() -> None:
    over = NOW + 60 * SECOND
    assert current(row(3), RULE, over - 1) == row(3)
    assert current(row(3), RULE, over) is None
    assert one_more(None, "192.0.2.1", over) == row(1, over)
    assert one_more(row(1), "192.0.2.1", NOW + 5) == row(2)


def test_a_clock_set_back_neither_frees_nor_locks_for_longer_than_a_window() -> None:
    day = 86_400 * SECOND
    ahead = row(3, NOW + day)
    # By itself such a row locks nobody: who may write it decides.
    assert locked_seconds(ahead, RULE, NOW) == 0
    decided = current(ahead, RULE, NOW)
    assert decided == row(3, NOW)
    assert locked_seconds(decided, RULE, NOW) == 60
    assert current(decided, RULE, NOW + 60 * SECOND) is None
