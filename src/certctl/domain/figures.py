"""Figures that the jobs process makes beforehand, so that no page walks over the records.

What takes a walk over all certificates, all events of a day or the whole audit trail is
counted now and then, kept with the time it was counted, and shown with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from certctl.domain.checkpoint import ChainHead
from certctl.domain.clock import SECOND_US

LIVE_CERTIFICATES: Final = 20_000
"""So many are counted whenever somebody asks: that takes a few hundredths of a second."""

LIVE_EVENTS: Final = 10_000
"""The same of audit events."""

SLOT_US: Final = 300 * SECOND_US
"""Activity is counted by spans of five minutes, each from a multiple of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryPart:
    """Certificates of one EST profile and tenant (empty: none), as ``search.Expiries``.

    Attributes:
        by_days: by ``search.EXPIRY_BOUNDS_DAYS``; one more than those, for the rest.
    """

    profile: str
    tenant: str
    by_days: tuple[int, ...]
    past_renewal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryFigures:
    """When certificates expire, as it was at ``made_us``; counting took ``took_us``."""

    made_us: int
    took_us: int
    parts: tuple[InventoryPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySlot:
    """What EST was asked in one slot, for one EST profile and tenant (empty: none)."""

    begins_us: int
    profile: str
    tenant: str
    enrolled: int
    renewed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySpan:
    """The time that slots on record cover without gaps; where nothing happened there is
    no slot. ``made_us`` is when the last were counted.
    """

    made_us: int
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProof:
    """The whole audit trail as it was last walked and verified (records §5).

    Attributes:
        made_us: when the walk began.
        broken: the first thing that did not fit; empty where everything did.
        events, checkpoints, dropped, unsealed: as ``authority.verify.Proof``; 0 if broken.
        heads: how far each node's chain reached.
    """

    made_us: int
    took_us: int
    broken: str
    events: int = 0
    checkpoints: int = 0
    dropped: int = 0
    unsealed: int = 0
    heads: tuple[ChainHead, ...] = ()


Figures = InventoryFigures | ActivitySpan | AuditProof
