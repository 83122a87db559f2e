"""A webhook: CloudEvents in JSON, signed with HMAC-SHA256 (records §7)."""

from __future__ import annotations

from typing import Final

from certctl.domain.clock import SECOND_US, Clock
from certctl.domain.events import Delivery
from certctl.notify.http import Receiver
from certctl.wire.cloudevents import CONTENT_TYPE, signature

AT_ONCE: Final = 8


class Webhook:
    """``ports.Channel`` over HTTP."""

    at_once = AT_ONCE

    def __init__(self, name: str, receiver: Receiver, secret: bytes, clock: Clock) -> None:
        self.name = name
        self._receiver = receiver
        self._secret = secret
        self._clock = clock

    async def deliver(self, delivery: Delivery) -> None:
        body = delivery.body.encode()
        timestamp = self._clock() // SECOND_US
        await self._receiver.post(
            body,
            {
                "Content-Type": CONTENT_TYPE,
                "X-Event-Id": delivery.event_id,
                "X-Event-Type": delivery.type.value,
                "X-Timestamp": str(timestamp),
                "X-Signature": signature(self._secret, timestamp, body),
            },
        )

    async def close(self) -> None:
        await self._receiver.close()
