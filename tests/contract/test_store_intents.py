"""Calls of CAs outside, through the ports, in both stores."""

from __future__ import annotations

import pytest

from certctl.domain.intent import Intent, IntentStatus
from certctl.domain.ports import DuplicateKey
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, digest
from tests.harness.replacing import replace

OPEN, LOST, ORPHAN = IntentStatus.OPEN, IntentStatus.LOST, IntentStatus.ORPHAN


def intent(number: int, **changes: object) -> Intent:
    made = Intent(
        id=f"{number:032d}",
        key=digest(f"key {number}"),
        status=OPEN,
        owner="node-a/17",
        created_us=NOW,
        deadline_us=NOW + number,
        issuer_id="corp",
        profile="demo",
        subject=f"CN=ü-{number}",
        source_address="192.0.2.7",
        request_id="abc",
        order=b"\x81\x00",
        tenant="acme",
    )
    return replace(made, **changes)


def closed(number: int, status: IntentStatus, **changes: object) -> Intent:
    return intent(number, status=status, **({"closed_us": NOW, "note": "why"} | changes))


def keep(pair: Pair, *rows: Intent) -> None:
    with pair.store.transaction() as transaction:
        transaction.record_intents(rows)


def test_an_intent_is_found_by_id_by_key_and_in_pages(pair: Pair):
    rows = [intent(1), intent(2), closed(3, LOST, certificate_id="c", told_us=NOW)]
    keep(pair, *rows)
    assert pair.records.intent(rows[2].id) == rows[2]
    assert pair.records.intent("absent") is None
    assert pair.records.intents() == rows
    assert pair.records.intents(statuses=(OPEN,), after=rows[0].id) == [rows[1]]
    assert pair.records.intents(statuses=(OPEN, LOST), limit=2) == rows[:2]
    with pair.store.transaction() as transaction:
        assert transaction.intent(rows[0].id) == rows[0]
        found = transaction.newest_intents([rows[1].key, digest("absent")])
    assert found == {rows[1].key: rows[1]}


def test_intents_are_counted_by_the_statuses_asked_for(pair: Pair):
    keep(pair, intent(1), intent(2), closed(3, LOST), closed(4, IntentStatus.ISSUED))
    assert pair.records.intent_numbers((OPEN, LOST, ORPHAN)) == {OPEN: 2, LOST: 1, ORPHAN: 0}
    assert pair.records.intent_numbers(()) == {}


def test_one_request_has_one_open_intent(pair: Pair):
    keep(pair, intent(1))
    again = intent(2, key=intent(1).key)
    with pytest.raises(DuplicateKey):
        keep(pair, again)
    assert pair.records.intents() == [intent(1)]
    with pair.store.transaction() as transaction:
        assert transaction.change_intent(
            replace(intent(1), status=LOST, closed_us=NOW), expected=OPEN
        )
        transaction.record_intents([again])
        assert transaction.newest_intents([again.key]) == {again.key: again}


def test_the_status_is_compared_before_it_is_set(pair: Pair):
    keep(pair, intent(1))
    lost = replace(intent(1), status=LOST, closed_us=NOW + 1, note="no answer")
    late = replace(intent(1), status=IntentStatus.ISSUED, closed_us=NOW + 2, certificate_id="c")
    with pair.store.transaction() as transaction:
        assert transaction.change_intent(lost, expected=OPEN)
        assert not transaction.change_intent(late, expected=OPEN)
        assert not transaction.change_intent(intent(9), expected=OPEN)
    assert pair.records.intents() == [lost]
    orphan = replace(lost, status=ORPHAN, certificate_id="c", told_us=NOW)
    with pair.store.transaction() as transaction:
        assert transaction.change_intent(orphan, expected=LOST)
    assert pair.records.intent(lost.id) == orphan


def test_overdue_are_open_ones_past_their_deadline_and_orphans_not_told(pair: Pair):
    old = closed(5, ORPHAN, certificate_id="c", closed_us=NOW - DAY)
    untold = closed(6, ORPHAN, certificate_id="c")
    keep(
        pair,
        intent(3),
        intent(1),
        intent(2),
        closed(4, LOST),
        old,
        untold,
        closed(7, ORPHAN, certificate_id="c", told_us=NOW),
        closed(8, ORPHAN),
    )
    wanted = [intent(1), intent(2), untold]
    assert pair.records.overdue_intents(NOW + 2, NOW - DAY, 9) == wanted
    with pair.store.transaction() as transaction:
        assert transaction.overdue_intents(NOW + 2, NOW - DAY, 1) == wanted[:1]
        assert transaction.overdue_intents(NOW, NOW, 9) == []


def test_what_is_closed_is_forgotten_but_neither_lost_nor_orphans(pair: Pair):
    stay = [
        closed(1, LOST),
        closed(2, ORPHAN),
        intent(3),
        closed(4, IntentStatus.FAILED, closed_us=NOW + 100),
    ]
    go = [
        closed(number, status)
        for number, status in enumerate(
            (IntentStatus.ISSUED, IntentStatus.REFUSED, IntentStatus.FAILED), 5
        )
    ]
    keep(pair, *stay, *go)
    with pair.store.transaction() as transaction:
        transaction.forget_intents(NOW + 50, 1)
    assert [each.id for each in pair.records.intents()] == [each.id for each in (*stay, *go[1:])]
    with pair.store.transaction() as transaction:
        transaction.forget_intents(NOW + 50, 9)
    assert pair.records.intents() == stay
