"""What the limit per principal counts, through the ports, in both stores."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, digest

A, B, C = digest("a"), digest("b"), digest("c")


def test_times_are_kept_by_key_and_replaced(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_limit_hits({A: (NOW, NOW + 1), B: (NOW,)})
        assert transaction.limit_hits([A]) == {A: (NOW, NOW + 1)}
    with pair.store.transaction() as transaction:
        transaction.record_limit_hits({A: (NOW + 1, NOW + 2, NOW + 2)})
    with pair.store.transaction() as transaction:
        assert transaction.limit_hits([A, B, C]) == {A: (NOW + 1, NOW + 2, NOW + 2), B: (NOW,)}


def test_a_full_window_is_one_row(pair: Pair):
    times = tuple(range(NOW, NOW + 10_000))
    with pair.store.transaction() as transaction:
        transaction.record_limit_hits({A: times})
    with pair.store.transaction() as transaction:
        assert transaction.limit_hits([A])[A] == times


def test_the_oldest_are_forgotten_first_and_only_so_many(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.record_limit_hits({A: (NOW - DAY, NOW), B: (NOW - 2,), C: (NOW - 1,)})
        transaction.forget_limits(NOW - 1, 1)
        assert set(transaction.limit_hits([A, B, C])) == {A, C}
        transaction.forget_limits(NOW - 1, 5)
        assert set(transaction.limit_hits([A, B, C])) == {A}


def test_nothing_is_counted_when_the_transaction_fails(pair: Pair):
    def interrupted() -> None:
        with pair.store.transaction() as transaction:
            transaction.record_limit_hits({A: (NOW,)})
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        interrupted()
    with pair.store.transaction() as transaction:
        assert transaction.limit_hits([A]) == {}
