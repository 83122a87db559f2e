"""The movable timer, on both loops."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial

import pytest
import uvloop

from certctl.tls.deadline import Alarms, Deadline


class Watched(Deadline):
    __slots__ = ("__weakref__",)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    kind = request.param

    def go(main):
        factory = uvloop.new_event_loop if kind == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    return go


def started(seconds: float) -> tuple[Deadline, asyncio.Event]:
    rung = asyncio.Event()
    deadline = Deadline(Alarms(asyncio.get_running_loop()), rung.set)
    deadline.start(seconds)
    return deadline, rung


def test_a_fault_in_one_does_not_keep_others_of_its_slot_waiting(run) -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        faults: list[str] = []
        loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))
        alarms = Alarms(loop)
        rung = [asyncio.Event() for _ in range(6)]

        def broken() -> None:
            raise ValueError("broken")

        all_of_them = [Deadline(alarms, event.set) for event in rung]
        all_of_them.insert(3, Deadline(alarms, broken))
        for deadline in all_of_them:
            deadline.start(0.01)
        for event in rung:
            await asyncio.wait_for(event.wait(), 5)
        return faults

    assert run(main) == ["broken"]


def test_never_rings_early(run) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        alarms = Alarms(loop)
        early: list[float] = []
        left = 20
        done = asyncio.Event()

        def ring(due: float) -> None:
            nonlocal left
            early.append(due - loop.time())
            left -= 1
            if not left:
                done.set()

        for step in range(left):
            seconds = 0.001 + step * 0.017
            Deadline(alarms, partial(ring, loop.time() + seconds)).start(seconds)
        await asyncio.wait_for(done.wait(), 10)
        return early

    early = run(main)
    assert len(early) == 20
    assert max(early) <= 0


def test_moved_on_rings_at_the_new_time_and_only_then(run) -> None:
    async def main() -> tuple[list[str], bool]:
        loop = asyncio.get_running_loop()
        alarms = Alarms(loop)
        order: list[str] = []
        both = asyncio.Event()

        def ring(name: str) -> None:
            order.append(name)
            if len(order) == 2:
                both.set()

        moved = Deadline(alarms, partial(ring, "moved"))
        moved.start(0.01)
        moved.start(0.4)
        other = Deadline(alarms, partial(ring, "other"))
        other.start(0.2)
        await asyncio.wait_for(both.wait(), 5)
        return order, moved.running or other.running

    assert run(main) == (["other", "moved"], False)


def test_a_cancelled_one_is_held_by_nobody(run) -> None:
    async def main() -> tuple[bool, bool]:
        alarms = Alarms(asyncio.get_running_loop())
        cancelled, other = Watched(alarms, print), Watched(alarms, print)
        for each in (cancelled, other):
            each.start(3600)
        del each
        gone, left = weakref.ref(cancelled), weakref.ref(other)
        cancelled.cancel()
        del cancelled, other
        return gone() is None, left() is None

    assert run(main) == (True, False)


def test_rings_once(run) -> None:
    async def main() -> bool:
        deadline, rung = started(0.01)
        assert deadline.running
        await asyncio.wait_for(rung.wait(), 5)
        return deadline.running

    assert run(main) is False


def test_moved_earlier_rings_earlier(run) -> None:
    async def main() -> None:
        deadline, rung = started(3600)
        deadline.start(0.01)
        await asyncio.wait_for(rung.wait(), 5)

    run(main)


def test_moved_later_does_not_ring_at_the_old_time(run) -> None:
    async def main() -> bool:
        deadline, rung = started(0.01)
        deadline.start(3600)
        await asyncio.sleep(0.05)
        first = rung.is_set()
        deadline.start(0.01)
        await asyncio.wait_for(rung.wait(), 5)
        return first

    assert run(main) is False


@pytest.mark.parametrize("end", ["stop", "cancel"])
def test_stopped_or_cancelled_never_rings(run, end: str) -> None:
    async def main() -> bool:
        deadline, rung = started(0.01)
        getattr(deadline, end)()
        if end == "cancel":
            deadline.start(0.01)
        await asyncio.sleep(0.05)
        return rung.is_set() or deadline.running

    assert run(main) is False
