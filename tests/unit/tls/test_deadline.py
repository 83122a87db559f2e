"""The movable timer, on both loops."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from certctl.tls.deadline import Deadline


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
    deadline = Deadline(asyncio.get_running_loop(), rung.set)
    deadline.start(seconds)
    return deadline, rung


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
