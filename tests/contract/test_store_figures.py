"""What is counted beforehand: kept, replaced, and joined to what came since without a gap."""

from __future__ import annotations

from typing import Any

import pytest

from certctl.domain.api_keys import Visible
from certctl.domain.audit import AuditAction, Outcome, RecordedEvent
from certctl.domain.certificates import CertificateStatus
from certctl.domain.checkpoint import ChainHead
from certctl.domain.clock import HOUR_US
from certctl.domain.figures import (
    SLOT_US,
    ActivitySlot,
    ActivitySpan,
    AuditProof,
    InventoryFigures,
    InventoryPart,
)
from certctl.domain.ids import oldest_id
from certctl.domain.search import MOST_HOURS, Activity
from tests.contract.conftest import Pair
from tests.contract.samples import DAY, NOW, certificate, event
from tests.harness.replacing import replace

SOUTH = Visible(tenant="south")
HOUR = NOW // HOUR_US * HOUR_US


def recorded(seq: int, at_us: int, **changes: Any) -> RecordedEvent:
    """An EST enrollment with an id of its time, counted once."""
    given: dict[str, Any] = {"count": 1, "tenant": None, **changes}
    return replace(event(seq, time_us=at_us, **given), id=oldest_id(at_us))


def enrolled(number: int) -> Activity:
    return Activity(enrolled=number, renewed=0, refused=0)


def test_figures_are_kept_and_replaced_each_kind_by_itself(pair: Pair):
    assert pair.records.inventory_figures() is None
    assert pair.records.activity_span() is None
    assert pair.records.audit_proof() is None
    part = InventoryPart(profile="", tenant="south", by_days=(1, 2, 3, 4, 5, 6), past_renewal=7)
    inventory = InventoryFigures(made_us=NOW, took_us=5, parts=(part,))
    span = ActivitySpan(made_us=NOW, from_us=0, until_us=SLOT_US)
    proof = AuditProof(
        made_us=NOW,
        took_us=1,
        broken="event one/5: is missing",
        events=2**40,
        heads=(ChainHead(node="one", seq=5, digest=b"\xff" * 32),),
    )
    with pair.store.transaction() as transaction:
        for each in (inventory, span, replace(proof, broken=""), proof):
            transaction.put_figures(each)
    assert pair.records.inventory_figures() == inventory
    assert pair.records.activity_span() == span
    assert pair.records.audit_proof() == proof


def test_certificates_are_counted_by_ranges_of_their_expiry(pair: Pair):
    rows = [
        certificate(1, not_before_us=NOW - 9 * DAY, not_after_us=NOW + DAY - 1),
        certificate(2, not_before_us=NOW - 9 * DAY, not_after_us=NOW + DAY, renews="none"),
        certificate(3, not_after_us=NOW + 40 * DAY, tenant="south"),
        certificate(4, not_after_us=NOW + 4_000 * DAY, renews=certificate(2).id, profile="iot"),
        certificate(5, not_after_us=NOW),
        certificate(6, status=CertificateStatus.REVOKED, not_after_us=NOW + DAY),
    ]
    with pair.store.transaction() as transaction:
        transaction.record_certificates(rows)
    records = pair.records
    found: dict[tuple[str, str], tuple[int, ...]] = {}
    late = 0
    from_us: int | None = NOW
    steps = 0
    while from_us is not None:
        until_us = records.expiry_bound(from_us, 2)
        for part in records.inventory_parts(NOW, from_us, until_us):
            key = (part.profile, part.tenant)
            known = found.get(key, (0,) * 6)
            found[key] = tuple(a + b for a, b in zip(known, part.by_days, strict=True))
            late += part.past_renewal
        from_us, steps = until_us, steps + 1
    assert steps == 3
    tenant = certificate(1).tenant or ""
    assert found == {
        ("demo", tenant): (1, 1, 0, 0, 0, 0),
        ("demo", "south"): (0, 0, 0, 1, 0, 0),
        ("iot", tenant): (0, 0, 0, 0, 0, 1),
    }
    assert late == 1


def test_many_that_expire_at_once_are_counted_together(pair: Pair):
    end_us = NOW + DAY
    rows = [certificate(number, not_after_us=end_us) for number in range(1, 6)]
    with pair.store.transaction() as transaction:
        transaction.record_certificates([*rows, certificate(6, not_after_us=end_us + 1)])
    assert pair.records.expiry_bound(NOW, 2) == end_us
    assert pair.records.expiry_bound(end_us, 2) == end_us + 1
    assert pair.records.expiry_bound(end_us + 1, 2) is None
    (part,) = pair.records.inventory_parts(NOW, end_us, end_us + 1)
    assert part.by_days[1] == 5


def test_expiries_are_those_that_were_counted_and_say_when(pair: Pair):
    parts = (
        InventoryPart(profile="a", tenant="", by_days=(1, 0, 0, 0, 0, 9), past_renewal=1),
        InventoryPart(profile="b", tenant="south", by_days=(2, 0, 0, 0, 0, 0), past_renewal=0),
    )
    with pair.store.transaction() as transaction:
        transaction.put_figures(InventoryFigures(made_us=NOW - DAY, took_us=1, parts=parts))
    found = pair.records.expiries(NOW, Visible())
    assert found is not None
    assert found.counted_us == NOW - DAY
    assert dict(found.by_days) == {1: 3, 7: 0, 30: 0, 90: 0, 365: 0, None: 9}
    assert found.past_renewal == 1
    south = pair.records.expiries(NOW, SOUTH)
    assert south is not None
    assert dict(south.by_days)[1] == 2
    mine = pair.records.expiries(NOW, Visible(profiles=("a",)))
    assert mine is not None
    assert dict(mine.by_days)[None] == 9


def test_slots_are_counted_by_profile_and_tenant(pair: Pair):
    end_us = HOUR + SLOT_US
    with pair.store.transaction() as transaction:
        transaction.append_events(
            [
                recorded(1, HOUR - 1_000),
                recorded(2, HOUR),
                recorded(3, end_us - 1_000, count=5, tenant="south"),
                recorded(4, end_us - 1_000, outcome=Outcome.FAILURE, profile="iot"),
                recorded(5, end_us - 1_000, action=AuditAction.CERTIFICATE_REVOKED),
                recorded(6, end_us, action=AuditAction.SIMPLE_REENROLL_SUCCESS),
            ]
        )
    found = pair.records.counted_slots(HOUR, HOUR + 3 * SLOT_US)
    assert found == [
        ActivitySlot(begins_us=HOUR, profile="demo", tenant="", enrolled=1, renewed=0, refused=0),
        ActivitySlot(
            begins_us=HOUR, profile="demo", tenant="south", enrolled=5, renewed=0, refused=0
        ),
        ActivitySlot(begins_us=HOUR, profile="iot", tenant="", enrolled=0, renewed=0, refused=1),
        ActivitySlot(begins_us=end_us, profile="demo", tenant="", enrolled=0, renewed=1, refused=0),
    ]
    assert pair.records.recorded_since(HOUR, 10) == 5
    assert pair.records.recorded_since(HOUR, 2) == 2


@pytest.fixture
def busy(pair: Pair) -> Pair:
    """One enrollment in each minute of two hours; slots say a hundred where they stand."""
    with pair.store.transaction() as transaction:
        transaction.append_events(
            [recorded(n + 1, HOUR + n * 60_000_000, tenant="south") for n in range(120)]
        )
    return pair


def cover(pair: Pair, from_us: int, until_us: int) -> None:
    slots = [
        ActivitySlot(
            begins_us=begins_us,
            profile="demo",
            tenant="south",
            enrolled=100,
            renewed=0,
            refused=0,
        )
        for begins_us in range(from_us, until_us, SLOT_US)
    ]
    with pair.store.transaction() as transaction:
        transaction.put_slots(from_us, slots)
        transaction.put_figures(ActivitySpan(made_us=NOW, from_us=from_us, until_us=until_us))


def test_activity_is_out_of_slots_where_they_stand_and_by_hand_elsewhere(busy: Pair):
    assert busy.records.activity(HOUR, Visible()) == enrolled(120)
    # Three slots, from the tenth to the twenty-fifth minute.
    cover(busy, HOUR + 2 * SLOT_US, HOUR + 5 * SLOT_US)
    assert busy.records.activity(HOUR, Visible()) == enrolled(10 + 300 + 95)
    assert busy.records.activity(HOUR, SOUTH) == enrolled(10 + 300 + 95)
    assert busy.records.activity(HOUR, Visible(tenant="north")) == enrolled(0)
    assert busy.records.activity(HOUR, Visible(profiles=("iot",))) == enrolled(0)
    # From within a slot: what is left of it by hand.
    assert busy.records.activity(HOUR + 12 * 60_000_000, Visible()) == enrolled(3 + 200 + 95)
    # Slots that cover nothing of what is asked for.
    assert busy.records.activity(HOUR + HOUR_US, Visible()) == enrolled(60)
    assert busy.records.activity_by_hour(HOUR, Visible()) == {
        0: enrolled(10 + 300 + 35),
        1: enrolled(60),
    }


def test_slots_replace_those_that_stand_there_and_old_ones_go(busy: Pair):
    cover(busy, HOUR, HOUR + 4 * SLOT_US)
    with busy.store.transaction() as transaction:
        transaction.put_slots(HOUR + 2 * SLOT_US, [])
    assert busy.records.activity(HOUR, Visible()) == enrolled(200 + 100)
    with busy.store.transaction() as transaction:
        transaction.forget_slots(HOUR + SLOT_US)
    assert busy.records.activity(HOUR, Visible()) == enrolled(100 + 100)


def test_an_event_out_of_another_century_makes_no_endless_list(busy: Pair):
    with busy.store.transaction() as transaction:
        transaction.append_events([recorded(121, HOUR + 1_000_000 * HOUR_US)])
    by_hour = busy.records.activity_by_hour(HOUR, Visible())
    assert by_hour == {0: enrolled(60), 1: enrolled(60), MOST_HOURS - 1: enrolled(1)}
