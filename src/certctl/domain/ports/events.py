"""Where events go, and what of them the store keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from certctl.domain.events import Delivery, DeliveryStatus, EventType, NoticeMark


class DeliveryFailed(Exception):
    """A channel did not take an event; the text says why and holds no secret."""


class Channel(Protocol):
    """One receiver of events; used from one event loop."""

    @property
    def name(self) -> str: ...

    @property
    def at_once(self) -> int:
        """How many events it takes at the same time."""
        ...

    async def deliver(self, delivery: Delivery) -> None:
        """Hand an event over; returns once the receiver has taken it, in bounded time.

        Raises:
            DeliveryFailed: it did not.
        """
        ...

    async def close(self) -> None: ...


class OutboxReads(Protocol):
    """Deliveries, and how far notices have come."""

    def due_deliveries(self, channel: str, now_us: int, limit: int) -> Sequence[Delivery]:
        """What this channel is due, oldest first: of each subject the first that waits."""
        ...

    def deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        after: tuple[str, str] | None = None,
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """Pages in order of event id and channel; ``after`` is the last pair seen."""
        ...

    def deliveries_of(self, event_id: str) -> Sequence[Delivery]:
        """One event's deliveries, by channel."""
        ...

    def outbox_depth(self) -> Mapping[tuple[str, DeliveryStatus], int]:
        """How many wait and how many are dead, by channel; for metrics."""
        ...

    def notice_marks(self) -> Mapping[str, NoticeMark]:
        """All marks by name."""
        ...

    def expiring_certificates(
        self, after: NoticeMark, until_us: int, limit: int
    ) -> Sequence[tuple[str, int]]:
        """Ids and notAfter of certificates of clients that expire behind ``after`` and not
        behind ``until_us``, in this order; neither revoked nor renewed.
        """
        ...


class OutboxWrites(Protocol):
    """Deliveries, and how far notices have come."""

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> None: ...

    def settle_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Write what became of these; those that wait no longer stay as they are."""
        ...

    def requeue_deliveries(
        self, event_id: str | None, channel: str | None, now_us: int, most: int
    ) -> int:
        """Let dead deliveries wait again, as if new; None means any. Gives their number."""
        ...

    def purge_delivered(self, before_us: int, most: int) -> int:
        """Remove at most so many that were delivered before; gives their number."""
        ...

    def notice_mark(self, name: str) -> NoticeMark | None: ...

    def put_notice_mark(self, mark: NoticeMark) -> None: ...


Wanted = Mapping[EventType, Sequence[str]]
"""The channels that want a type of event, by name."""
