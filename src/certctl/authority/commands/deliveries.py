"""Commands about events for other systems (records §7)."""

from __future__ import annotations

import msgspec

from certctl.domain.events import Delivery, Event, NoticeMark


class SettleDeliveries(msgspec.Struct, frozen=True, kw_only=True, tag="settle_deliveries"):
    """Write what became of events on their way (records §7). Answer: ``DeliveriesSettled``."""

    fence: int
    deliveries: tuple[Delivery, ...]


class DeliveriesSettled(msgspec.Struct, frozen=True, tag="deliveries_settled"):
    pass


class RequeueDeliveries(msgspec.Struct, frozen=True, kw_only=True, tag="requeue_deliveries"):
    """Send dead events again, a bounded number; None means any. Answer: ``Requeued``."""

    event_id: str | None
    channel: str | None
    actor: str


class Requeued(msgspec.Struct, frozen=True, tag="requeued"):
    """How many wait again; ``more`` when there may be others."""

    rows: int
    more: bool


class AnnounceCertificates(msgspec.Struct, frozen=True, kw_only=True, tag="announce_certificates"):
    """Tell that these certificates expire within so many days. Answer: ``Announced``.

    ``mark`` says how far notices of these days have come with them.
    """

    fence: int
    days: int
    certificate_ids: tuple[str, ...]
    mark: NoticeMark


class AnnounceExpiry(msgspec.Struct, frozen=True, kw_only=True, tag="announce_expiry"):
    """Tell that a CA or a trust anchor expires soon, once per ``mark``. Answer: ``Announced``."""

    fence: int
    event: Event
    mark: NoticeMark


class Announced(msgspec.Struct, frozen=True, tag="announced"):
    """How many were told of: not those that were revoked meanwhile."""

    number: int


EventCommand = SettleDeliveries | RequeueDeliveries | AnnounceCertificates | AnnounceExpiry
