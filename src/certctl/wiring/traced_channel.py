"""A channel of events with a trace of each attempt."""

from __future__ import annotations

from certctl.domain.events import Delivery
from certctl.domain.ports import Channel, DeliveryFailed
from certctl.obs.tracing.spans import Tracing


class TracedChannel:
    """Implements ``ports.Channel`` over another one."""

    def __init__(self, channel: Channel, tracing: Tracing) -> None:
        self._channel = channel
        self._tracing = tracing

    @property
    def name(self) -> str:
        return self._channel.name

    @property
    def at_once(self) -> int:
        return self._channel.at_once

    async def deliver(self, delivery: Delivery) -> None:
        about: dict[str, str | int] = {
            "certctl.channel": self._channel.name,
            "certctl.event.id": delivery.event_id,
            "certctl.event.type": delivery.type.value,
            "certctl.attempt": delivery.attempts + 1,
        }
        with self._tracing.deliver(about) as trace:
            try:
                await self._channel.deliver(delivery)
            except DeliveryFailed:
                # Why stays here: its words may quote what the receiver answered.
                if trace is not None:
                    trace.tell({"certctl.outcome": "failed"})
                    trace.fail("DeliveryFailed")
                raise
            if trace is not None:
                trace.tell({"certctl.outcome": "delivered"})

    async def close(self) -> None:
        await self._channel.close()
