"""Failed passwords by source through the ports: kept, replaced, cleared, bounded."""

from __future__ import annotations

import pytest

from certctl.domain.lockout import Lockout
from tests.contract.conftest import Pair
from tests.contract.samples import NOW


def row(source: str, failures: int = 1, began_us: int = NOW) -> Lockout:
    return Lockout(source=source, failures=failures, window_began_us=began_us)


def keep(pair: Pair, *rows: Lockout) -> None:
    with pair.store.transaction() as transaction:
        transaction.record_lockouts(rows)


def test_rows_are_kept_and_replaced(pair: Pair):
    keep(pair, row("192.0.2.1"), row("2001:db8::/64", 4))
    keep(pair, row("192.0.2.1", 7, NOW + 5))
    assert pair.records.lockout("192.0.2.1") == row("192.0.2.1", 7, NOW + 5)
    assert pair.records.lockout("192.0.2.2") is None
    wanted = ["192.0.2.1", "192.0.2.2", "2001:db8::/64"]
    with pair.store.transaction() as transaction:
        assert transaction.lockouts(wanted) == {
            "192.0.2.1": row("192.0.2.1", 7, NOW + 5),
            "2001:db8::/64": row("2001:db8::/64", 4),
        }
        assert transaction.lockouts([]) == {}


def test_a_cleared_source_is_forgotten_and_no_other(pair: Pair):
    keep(pair, row("a"), row("b"))
    with pair.store.transaction() as transaction:
        transaction.clear_lockouts(["a", "nobody"])
        assert set(transaction.lockouts(["a", "b"])) == {"b"}
    assert pair.records.lockout("a") is None
    assert pair.records.lockout("b") == row("b")


def test_nothing_is_kept_or_cleared_when_the_transaction_fails(pair: Pair):
    keep(pair, row("a"))

    def interrupted() -> None:
        with pair.store.transaction() as transaction:
            transaction.record_lockouts([row("b")])
            transaction.clear_lockouts(["a"])
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        interrupted()
    assert pair.records.lockout("a") == row("a")
    assert pair.records.lockout("b") is None


def test_windows_that_are_over_go_and_then_the_oldest(pair: Pair):
    rows = [row(f"s{n}", began_us=NOW + n) for n in range(10)]
    keep(pair, *rows)
    with pair.store.transaction() as transaction:
        transaction.bound_lockouts(NOW + 2, 4)
        left = transaction.lockouts([each.source for each in rows])
    assert sorted(left) == ["s6", "s7", "s8", "s9"]
    with pair.store.transaction() as transaction:
        transaction.bound_lockouts(NOW + 6, 4)
        left = transaction.lockouts([each.source for each in rows])
    assert sorted(left) == ["s7", "s8", "s9"]


def test_of_windows_that_began_at_once_the_right_number_stays(pair: Pair):
    rows = [row(f"s{n}") for n in range(6)]
    keep(pair, *rows)
    with pair.store.transaction() as transaction:
        transaction.bound_lockouts(0, 2)
        assert len(transaction.lockouts([each.source for each in rows])) == 2
