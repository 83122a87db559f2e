"""The command about revocations that a CA outside must be told, as the jobs process sends it."""

from __future__ import annotations

import msgspec

from certctl.domain.events import Delivery


class TellIssuers(msgspec.Struct, frozen=True, kw_only=True, tag="tell_issuers"):
    """Tell CAs outside what has been revoked, at most ``MOST``. Answer: ``IssuersTold``.

    The deliveries say about which certificates; what they are revoked for is taken from
    the records.
    """

    fence: int
    deliveries: tuple[Delivery, ...]


class IssuersTold(msgspec.Struct, frozen=True, tag="issuers_told"):
    """How many calls were begun: not those that are under way already."""

    begun: int
