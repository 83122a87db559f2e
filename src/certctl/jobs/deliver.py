"""Delivers events to their channels (records §7): at least once, in order per subject.

What a channel has taken is written down after it was taken; a process killed in between
sends it again, and receivers tell by the event's id. Channels are served side by side, so
that one that hangs holds up no other, and a run ends well before its lease does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from certctl.authority.commands import DeliveriesSettled, SettleDeliveries
from certctl.authority.deliveries import JOB
from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.events import Delivery, DeliveryStatus, delivered, failed, given_up
from certctl.domain.ports import Channel, DeliveryFailed, Records
from certctl.jobs.loop import Caller
from certctl.obs.metrics.measured import JobsMetrics

RUN_US: Final = 4 * SECOND_US
"""No attempt begins later in a run; one takes 15 seconds at most (mail)."""

ORPHANS_US: Final = 600 * SECOND_US
"""How often deliveries to channels are looked for that are set up no more."""

ORPHANED: Final = "no channel of this name is set up"
OUR_FAULT: Final = "a fault of this server; its log says more"
MOST_ORPHANS: Final = 200


class DeliveryJob:
    """Implements ``loop.Job``; one thread, and an event loop of its own."""

    name = JOB
    every_us = SECOND_US
    lease_us = 30 * SECOND_US

    def __init__(
        self,
        records: Records,
        caller: Caller,
        channels: Sequence[Channel],
        *,
        clock: Clock,
        random: Callable[[], float],
        on_dead: Callable[[Delivery], None],
        on_fault: Callable[[str, BaseException], None],
        metrics: JobsMetrics | None = None,
    ) -> None:
        self._records = records
        self._caller = caller
        self._channels = tuple(channels)
        self._clock = clock
        self._random = random
        self._on_dead = on_dead
        self._on_fault = on_fault
        self._metrics = metrics or JobsMetrics.unshared()
        self._runner = asyncio.Runner()
        self._event_loop = self._runner.get_loop()
        self._under_way: set[asyncio.Task[Delivery]] = set()
        self._stopping = False
        self._orphans_us = 0

    def is_wanted(self, now_us: int) -> bool:
        names = [each.name for each in self._channels]
        if any(self._records.due_deliveries(name, now_us, 1) for name in names):
            return True
        if abs(now_us - self._orphans_us) < ORPHANS_US:
            return False
        orphaned = bool(self._orphaned())
        if not orphaned:
            self._orphans_us = now_us
        return orphaned

    def run(self, fence: int) -> None:
        self._give_up_orphans(fence)
        self._runner.run(self._deliver(fence))

    def stop(self) -> None:
        """Break off what is under way, from any thread: the run ends, and gives its lease
        back, with what was taken until now written down.
        """
        self._stopping = True
        # The thread of the job may have ended and closed it already.
        with contextlib.suppress(RuntimeError):
            self._event_loop.call_soon_threadsafe(self._break_off)

    def close(self) -> None:
        """End connections that are kept; from the thread that runs it."""
        self._runner.run(self._close())
        self._runner.close()

    def _break_off(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def _close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def _deliver(self, fence: int) -> None:
        until_us = self._clock() + RUN_US
        served = (self._serve(channel, fence, until_us) for channel in self._channels)
        outcomes = await asyncio.gather(*served, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _serve(self, channel: Channel, fence: int, until_us: int) -> None:
        """Page after page, until nothing is due or nothing of a page was taken."""
        while self._clock() < until_us and not self._stopping:
            page = self._records.due_deliveries(channel.name, self._clock(), channel.at_once)
            if not page:
                return
            tasks = [asyncio.create_task(self._attempt(channel, each)) for each in page]
            self._under_way.update(tasks)
            after = await asyncio.gather(*tasks)
            self._under_way.difference_update(tasks)
            self._settle(fence, after)
            if not any(each.status is DeliveryStatus.DELIVERED for each in after):
                return

    async def _attempt(self, channel: Channel, delivery: Delivery) -> Delivery:
        try:
            await channel.deliver(delivery)
        except DeliveryFailed as failure:
            self._metrics.attempted(channel.name, "failed")
            return failed(delivery, str(failure), self._clock(), random=self._random)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            return delivery
        except Exception as fault:  # noqa: BLE001 - an edge: one event must not stop its channel
            self._on_fault(self.name, fault)
            self._metrics.attempted(channel.name, "failed")
            return failed(delivery, OUR_FAULT, self._clock(), random=self._random)
        self._metrics.attempted(channel.name, "delivered")
        return delivered(delivery, self._clock())

    def _settle(self, fence: int, after: Sequence[Delivery]) -> None:
        # The body stays where it is: it need not travel back.
        rows = tuple(replace(each, body="") for each in after)
        self._caller.execute(SettleDeliveries(fence=fence, deliveries=rows), DeliveriesSettled)
        for each in after:
            if each.status is DeliveryStatus.DEAD:
                self._on_dead(each)

    def _give_up_orphans(self, fence: int) -> None:
        for name in self._orphaned():
            while page := self._records.due_deliveries(name, FOREVER_US, MOST_ORPHANS):
                now_us = self._clock()
                self._settle(fence, [given_up(each, ORPHANED, now_us) for each in page])

    def _orphaned(self) -> list[str]:
        known = {each.name for each in self._channels}
        return sorted(
            {
                name
                for name, status in self._records.outbox_depth()
                if status is DeliveryStatus.WAITING and name not in known
            }
        )


FOREVER_US: Final = (1 << 63) - 1
