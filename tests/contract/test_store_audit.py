"""Contract of every store: audit events and counters."""

from __future__ import annotations

import pytest

from certctl.domain.audit import AuditAction, Counter, Outcome, RecordedEvent
from certctl.domain.ports import DuplicateKey
from certctl.store import CommandRefused
from tests.contract.conftest import Pair
from tests.contract.samples import event

ENROLLED = Counter.SUCCESS_SIMPLEENROLL
MALFORMED = Counter.CSR_INVALID


def append(pair: Pair, *events: RecordedEvent) -> None:
    with pair.store.transaction() as transaction:
        transaction.append_events(events)


def add(pair: Pair, node: str, counts: dict[tuple[str, Counter], int]) -> None:
    with pair.store.transaction() as transaction:
        transaction.add_counts(node, counts)


def test_a_place_in_the_chain_is_taken_once(pair: Pair):
    append(pair, event(1), event(2))
    with pytest.raises(DuplicateKey):
        append(pair, event(3), event(2, profile="other"))
    assert pair.records.events() == [event(1), event(2)]


def test_a_chain_begins_at_one(pair: Pair):
    with pytest.raises(CommandRefused):
        append(pair, event(0))
    assert pair.records.events() == []


def test_every_field_comes_back(pair: Pair):
    bare = event(
        2,
        action=AuditAction.AUTH_FAILED_BASIC,
        outcome=Outcome.FAILURE,
        resource_type="",
        details={},
        tenant=None,
    )
    append(pair, event(1), bare)
    assert pair.records.events() == [event(1), bare]


def test_the_end_of_a_chain(pair: Pair):
    append(pair, event(1), event(2), event(10), event(5, node="two"))
    with pair.store.transaction() as transaction:
        assert transaction.last_event("one") == event(10)
        assert transaction.last_event("two") == event(5, node="two")
        assert transaction.last_event("three") is None


def test_the_end_is_seen_inside_its_transaction(pair: Pair):
    with pair.store.transaction() as transaction:
        transaction.append_events([event(1)])
        assert transaction.last_event("one") == event(1)


def test_pages_in_order_of_seq(pair: Pair):
    append(pair, *(event(seq) for seq in (3, 1, 2, 11, 9)))
    first = pair.records.events(limit=2)
    second = pair.records.events(after_seq=first[-1].seq, limit=2)
    third = pair.records.events(after_seq=second[-1].seq, limit=2)
    assert [found.seq for found in [*first, *second, *third]] == [1, 2, 3, 9, 11]
    assert pair.records.events(after_seq=11) == []


def test_pages_over_several_nodes(pair: Pair):
    append(pair, event(1), event(2), event(1, node="two"), event(2, node="two"))
    in_order = [event(1), event(2), event(1, node="two"), event(2, node="two")]
    assert pair.records.events() == in_order
    assert pair.records.events(limit=3) == in_order[:3]
    assert pair.records.events(node="two") == in_order[2:]
    assert pair.records.events(node="two", after_seq=1) == in_order[3:]
    assert pair.records.events(node="three") == []


def test_counters_add_up_over_nodes_and_batches(pair: Pair):
    assert pair.records.counts() == {}
    add(pair, "one", {("demo", ENROLLED): 2, ("demo", MALFORMED): 1, ("", ENROLLED): 5})
    add(pair, "one", {("demo", ENROLLED): 3})
    add(pair, "two", {("demo", ENROLLED): 10})
    assert pair.records.counts() == {
        ("demo", ENROLLED): 15,
        ("demo", MALFORMED): 1,
        ("", ENROLLED): 5,
    }
