"""Deliveries over a real authority: in order, again after failures, and then dead."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from certctl.authority.commands import FinishJob, Requeued, RequeueDeliveries, SettleDeliveries
from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.errors import StoreUnavailable
from certctl.domain.events import (
    FIRST_DELAY_US,
    LONGEST_DELAY_US,
    Delivery,
    DeliveryStatus,
    EventType,
    failed,
)
from certctl.domain.ports import DeliveryFailed
from certctl.jobs.deliver import ORPHANED, OUR_FAULT, DeliveryJob
from certctl.jobs.purge import PurgeJob
from tests.harness.replacing import replace
from tests.unit.jobs.test_loop import Node


class Post:
    """A channel in memory: takes events, or fails with what ``fault`` says."""

    at_once = 4

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken: list[str] = []
        self.fault: Callable[[Delivery], str | None] = lambda _: None

    async def deliver(self, delivery: Delivery) -> None:
        await asyncio.sleep(0)
        fault = self.fault(delivery)
        if fault is not None:
            raise DeliveryFailed(fault)
        self.taken.append(delivery.event_id)

    async def close(self) -> None:
        pass


class Works:
    """A node with the delivery job to ``ops`` and ``siem``."""

    def __init__(self, directory: Path) -> None:
        self.node = Node(directory)
        self.ops, self.siem = Post("ops"), Post("siem")
        self.dead: list[str] = []
        self.broken: list[BaseException] = []
        self.job = self.new_job()
        self.loop = self.node.loop(self.job)

    def new_job(self) -> DeliveryJob:
        return DeliveryJob(
            self.node.store,
            self.node,
            [self.ops, self.siem],
            clock=lambda: self.node.now_us,
            random=lambda: 0.0,
            on_dead=lambda each: self.dead.append(each.event_id),
            on_fault=lambda _, fault: self.broken.append(fault),
        )

    def add(self, event_id: str, subject: str = "a", channel: str = "ops") -> None:
        self.node.now_us += 1
        made = Delivery(
            event_id=event_id,
            channel=channel,
            type=EventType.CERT_ISSUED,
            subject=subject,
            body="{}",
            made_us=self.node.now_us,
            at_us=self.node.now_us,
        )
        with self.node.store.transaction() as transaction:
            transaction.add_deliveries([made])

    def tick(self, after_us: int = 2 * SECOND_US) -> None:
        self.node.now_us += after_us
        self.loop.tick()

    def row(self, event_id: str) -> Delivery:
        (row,) = self.node.store.deliveries_of(event_id)
        return row


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path)
    yield made
    made.job.close()
    assert made.broken == []
    assert made.node.faults == []


def test_all_that_is_due_is_delivered_in_the_order_of_its_subject(works: Works) -> None:
    for number in range(12):
        works.add(f"e{number:02}", subject=f"s{number % 3}")
    works.add("x", channel="siem")
    works.tick()
    assert sorted(works.ops.taken) == [f"e{number:02}" for number in range(12)]
    for subject in range(3):
        ours = [each for each in works.ops.taken if int(each[1:]) % 3 == subject]
        assert ours == sorted(ours)
    assert works.siem.taken == ["x"]
    assert works.row("x").status is DeliveryStatus.DELIVERED


def test_a_failure_holds_back_its_subject_alone(works: Works) -> None:
    works.ops.fault = lambda each: "status 500" if each.event_id == "a1" else None
    for event_id, subject in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        works.add(event_id, subject)
    works.tick()
    assert works.ops.taken == ["b1"]
    assert (works.row("a1").attempts, works.row("a1").error) == (1, "status 500")
    works.ops.fault = lambda _: None
    works.tick()
    assert works.ops.taken == ["b1"], "not before its time"
    works.tick(FIRST_DELAY_US)
    assert works.ops.taken == ["b1", "a1", "a2"]


def test_a_channel_that_is_down_is_not_tried_with_everything_at_once(works: Works) -> None:
    works.ops.fault = lambda _: "status 503"
    for number in range(20):
        works.add(f"e{number:02}", subject=f"s{number}")
        works.add(f"x{number:02}", subject=f"s{number}", channel="siem")
    works.tick()
    assert len(works.siem.taken) == 20
    assert sum(row.attempts for row in works.node.store.deliveries()) == 20 + Post.at_once


def test_delays_double_to_a_day_and_then_it_is_dead(works: Works) -> None:
    works.ops.fault = lambda _: "status 410"
    works.add("e")
    delays = []
    while (row := works.row("e")).status is DeliveryStatus.WAITING:
        delays.append(row.at_us - works.node.now_us)
        works.tick(max(row.at_us - works.node.now_us, 2 * SECOND_US))
    assert delays[1] == FIRST_DELAY_US
    assert all(after == 2 * before for before, after in pairwise(delays[1:]))
    assert LONGEST_DELAY_US / 2 < delays[-1] <= LONGEST_DELAY_US
    assert (row.attempts, row.error, works.dead) == (len(delays), "status 410", ["e"])
    works.ops.fault = lambda _: None
    works.tick(7 * DAY_US)
    assert works.ops.taken == []
    command = RequeueDeliveries(event_id="e", channel=None, actor="host:x")
    assert works.node.execute(command, Requeued).rows == 1
    works.tick()
    assert works.ops.taken == ["e"]


@pytest.mark.parametrize(("random", "part"), [(0.0, 1.0), (0.5, 0.75), (1.0, 0.5)])
def test_delays_are_spread(works: Works, random: float, part: float) -> None:
    works.add("e")
    row = replace(works.row("e"), attempts=3)
    after = failed(row, "x", works.node.now_us, random=lambda: random)
    assert after.at_us - works.node.now_us == 8 * FIRST_DELAY_US * part


def test_nothing_is_lost_when_the_outcome_cannot_be_written(works: Works) -> None:
    works.add("e")
    works.node.refused = frozenset({SettleDeliveries, FinishJob})
    works.tick()
    assert works.ops.taken == ["e"]
    assert works.row("e").status is DeliveryStatus.WAITING
    works.node.refused = frozenset()
    works.tick(works.job.lease_us)
    assert works.ops.taken == ["e", "e"], "at least once"
    assert works.row("e").status is DeliveryStatus.DELIVERED
    assert [type(fault) for _, fault in works.node.told] == [StoreUnavailable]


def test_a_fault_of_ours_stops_no_channel(works: Works) -> None:
    def broken(delivery: Delivery) -> str | None:
        if delivery.event_id == "a":
            raise RuntimeError("bug")
        return None

    works.ops.fault = broken
    works.add("a", "a")
    works.add("b", "b")
    works.tick()
    assert works.ops.taken == ["b"]
    assert (works.row("a").attempts, works.row("a").error) == (1, OUR_FAULT)
    assert [str(fault) for fault in works.broken] == ["bug"]
    works.broken.clear()


def test_what_is_for_nobody_is_dead_at_once(works: Works) -> None:
    works.add("e", channel="gone")
    works.tick()
    assert (works.row("e").status, works.row("e").error) == (DeliveryStatus.DEAD, ORPHANED)
    assert works.dead == ["e"]


def test_a_quiet_outbox_costs_no_lease(works: Works) -> None:
    for _ in range(5):
        works.tick()
    assert works.node.store.leases() == []


def test_delivered_ones_are_purged_after_a_day_and_dead_ones_never(works: Works) -> None:
    works.add("e")
    works.add("gone", channel="gone")
    works.tick()
    purge = works.node.loop(PurgeJob(works.node))
    works.node.now_us += DAY_US - SECOND_US
    purge.tick()
    assert len(works.node.store.deliveries()) == 2
    works.node.now_us += PurgeJob.every_us + SECOND_US
    purge.tick()
    assert [row.event_id for row in works.node.store.deliveries()] == ["gone"]


def test_what_hangs_is_broken_off_and_what_was_taken_is_written_down(works: Works) -> None:
    reached = threading.Event()
    taken = works.ops.deliver

    async def deliver(delivery: Delivery) -> None:
        if delivery.event_id == "hangs":
            reached.set()
            await asyncio.Event().wait()
        await taken(delivery)

    works.ops.deliver = deliver  # type: ignore[method-assign]
    works.add("hangs", "a")
    works.add("e", "b")
    thread = threading.Thread(target=works.tick)
    thread.start()
    assert reached.wait(10)
    works.job.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert works.row("e").status is DeliveryStatus.DELIVERED
    assert (works.row("hangs").status, works.row("hangs").attempts) == (DeliveryStatus.WAITING, 0)
    (lease,) = works.node.store.leases()
    assert (lease.until_us, lease.outcome) == (0, "ok")
