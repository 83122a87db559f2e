"""Jobs that count beforehand: only where there is much, again as it grows, and broken off."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.authority.commands import NoteBackup
from certctl.authority.verify import Proof, verify
from certctl.domain.api_keys import Visible
from certctl.domain.clock import SECOND_US
from certctl.domain.figures import SLOT_US
from certctl.domain.ids import oldest_id
from certctl.jobs import figures, pace
from certctl.jobs.audit_verification import AuditVerificationJob, Told
from certctl.jobs.checkpoint import CheckpointJob
from certctl.jobs.figures import SETTLED_US, ActivityFiguresJob, InventoryFiguresJob
from certctl.jobs.pace import Pace
from tests.contract.samples import certificate, event
from tests.harness.replacing import replace
from tests.unit.jobs.test_loop import START_US, Node

DAY = 86_400 * SECOND_US


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def on(_seconds: float) -> bool:
    return False


def off(_seconds: float) -> bool:
    return True


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are few, as long as this test runs."""
    monkeypatch.setattr(figures, "LIVE_CERTIFICATES", 3)
    monkeypatch.setattr(figures, "LIVE_EVENTS", 3)


def inventory(node: Node, walk: Pace | None = None) -> InventoryFiguresJob:
    return InventoryFiguresJob(node.store, node, walk or Pace(on), clock=lambda: node.now_us)


def add_certificates(node: Node, *numbers: int) -> None:
    rows = [
        certificate(each, not_before_us=START_US - DAY, not_after_us=START_US + 40 * DAY + each)
        for each in numbers
    ]
    with node.store.transaction() as transaction:
        transaction.record_certificates(rows)


@pytest.mark.usefixtures("few")
def test_few_certificates_are_not_counted_beforehand(node: Node):
    add_certificates(node, 1, 2, 3)
    job = inventory(node)
    assert not job.is_wanted(node.now_us)
    node.loop(job).tick()
    assert node.store.inventory_figures() is None
    add_certificates(node, 4)
    assert job.is_wanted(node.now_us)


@pytest.mark.usefixtures("few")
def test_many_are_counted_all_of_them_and_again_later(node: Node, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "PAGE", 2)
    add_certificates(node, *range(1, 8))
    loop = node.loop(inventory(node))
    loop.tick()
    found = node.store.expiries(node.now_us, Visible())
    assert found is not None
    assert found.counted_us == START_US
    assert dict(found.by_days)[90] == 7
    add_certificates(node, 8)
    node.now_us += figures.LEAST_US - SECOND_US
    loop.tick()
    assert node.store.expiries(node.now_us, Visible()) == found
    node.now_us += SECOND_US
    node.loop(inventory(node)).tick()
    again = node.store.expiries(node.now_us, Visible())
    assert again is not None
    assert dict(again.by_days)[90] == 8
    # A clock that was set back does not keep it from counting.
    node.now_us = START_US - DAY
    assert inventory(node).is_wanted(node.now_us)
    assert node.told == []


@pytest.mark.usefixtures("few")
def test_a_walk_that_is_broken_off_leaves_no_half_figure(node: Node):
    add_certificates(node, *range(1, 8))
    node.loop(inventory(node, Pace(off))).tick()
    assert node.store.inventory_figures() is None
    assert node.told == []


def activity(node: Node) -> ActivityFiguresJob:
    return ActivityFiguresJob(node.store, node, Pace(on), clock=lambda: node.now_us)


def add_events(node: Node, first: int, at_us: int, number: int) -> None:
    rows = [
        replace(
            event(first + each, time_us=at_us + each * SECOND_US, count=1),
            id=oldest_id(at_us + each * SECOND_US),
            node="one",
        )
        for each in range(number)
    ]
    with node.store.transaction() as transaction:
        transaction.append_events(rows)


@pytest.mark.usefixtures("few")
def test_activity_is_counted_up_to_what_is_settled_and_goes_on_there(node: Node):
    begin_us = START_US // SLOT_US * SLOT_US
    add_events(node, 1, begin_us, 3)
    node.now_us = begin_us + SLOT_US + SETTLED_US
    loop = node.loop(activity(node))
    loop.tick()
    # Three events are few enough to be counted by whoever asks.
    assert node.store.activity_span() is None
    add_events(node, 4, begin_us + 10 * SECOND_US, 4)
    node.now_us += 60 * SECOND_US
    loop.tick()
    span = node.store.activity_span()
    assert span is not None
    assert span.until_us == begin_us + SLOT_US
    assert node.store.activity(begin_us, Visible()).enrolled == 7
    # They are out of the slot: what is added to it now is not seen, what comes behind it is.
    add_events(node, 8, begin_us + 60 * SECOND_US, 1)
    add_events(node, 9, begin_us + SLOT_US, 4)
    assert node.store.activity(begin_us, Visible()).enrolled == 11
    node.now_us = begin_us + 2 * SLOT_US + SETTLED_US
    node.loop(activity(node)).tick()
    assert node.store.activity(begin_us, Visible()).enrolled == 11
    again = node.store.activity_span()
    assert again is not None
    assert (again.from_us, again.until_us) == (span.from_us + SLOT_US, begin_us + 2 * SLOT_US)
    assert node.told == []


@pytest.mark.usefixtures("few")
def test_a_span_of_days_ago_is_not_gone_on_with(node: Node):
    begin_us = START_US // SLOT_US * SLOT_US
    add_events(node, 1, begin_us, 4)
    node.now_us = begin_us + SLOT_US + SETTLED_US
    node.loop(activity(node)).tick()
    later_us = begin_us + 100 * DAY
    add_events(node, 5, later_us, 4)
    node.now_us = later_us + SLOT_US + SETTLED_US
    node.loop(activity(node)).tick()
    span = node.store.activity_span()
    assert span is not None
    assert span.from_us > begin_us + 90 * DAY
    assert node.store.activity(later_us, Visible()).enrolled == 4
    assert {key[0] for key in node.store.tables.slots} == {later_us // SLOT_US * SLOT_US}


def verification(node: Node, told: list[str], slow: Pace | None = None) -> AuditVerificationJob:
    def walk(through: Told) -> Proof:
        checkpoints = node.store.checkpoints(limit=1_000)
        events = iter(node.store.events(limit=1_000))
        return verify(checkpoints, through(events), keys=node.public)

    return AuditVerificationJob(
        node.store,
        node,
        slow or Pace(on),
        verify=walk,
        clock=lambda: node.now_us,
        on_broken=told.append,
    )


def seal(node: Node) -> None:
    node.loop(CheckpointJob(node.store, node, on_sealed=lambda _: None), holder="seal").tick()


def act(node: Node) -> None:
    """Has the authority put one event on record."""
    node.service.execute(NoteBackup(target="somewhere", actor="host:test"))


def test_the_trail_is_verified_and_again_when_it_has_grown(node: Node):
    told: list[str] = []
    loop = node.loop(verification(node, told))
    loop.tick()
    assert node.store.audit_proof() is None
    act(node)
    seal(node)
    act(node)
    node.now_us += 60 * SECOND_US
    loop.tick()
    proof = node.store.audit_proof()
    assert proof is not None
    assert (proof.broken, proof.events, proof.checkpoints, proof.unsealed) == ("", 2, 1, 1)
    assert [(each.node, each.seq) for each in proof.heads] == [("one", 2)]
    job = verification(node, told)
    # Nothing new for a while; then once a day, for what was changed since.
    assert not job.is_wanted(node.now_us + 3_600 * SECOND_US)
    assert job.is_wanted(node.now_us + DAY)
    act(node)
    assert not job.is_wanted(node.now_us + SECOND_US)
    assert job.is_wanted(node.now_us + 600 * SECOND_US)
    assert told == []
    assert node.told == []


def test_what_does_not_fit_is_told_and_kept_until_it_fits(node: Node):
    told: list[str] = []
    for _ in range(3):
        act(node)
    seal(node)
    good = node.store.tables.events["one", 2]
    bad = replace(good, event=replace(good.event, actor="host:other"))
    node.store.tables.events["one", 2] = bad
    node.loop(verification(node, told)).tick()
    proof = node.store.audit_proof()
    assert proof is not None
    assert proof.broken.startswith("event one/2:")
    assert told == [proof.broken]
    assert node.told == []
    node.store.tables.events["one", 2] = good
    node.now_us += 600 * SECOND_US
    node.loop(verification(node, told)).tick()
    assert node.store.audit_proof() != proof
    again = node.store.audit_proof()
    assert again is not None
    assert again.broken == ""


def test_a_verification_that_is_broken_off_proves_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pace, "SLICE", 1)
    act(node)
    told: list[str] = []
    node.loop(verification(node, told, Pace(off))).tick()
    assert node.store.audit_proof() is None
    assert told == []


def test_a_walk_rests_three_times_as_long_as_it_works(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pace, "SLICE", 2)
    rests: list[float] = []

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return False

    assert list(Pace(rest).walk(range(5))) == [0, 1, 2, 3, 4]
    assert len(rests) == 2
    Pace(rest).rest(0.5)
    assert rests[-1] == 1.5
