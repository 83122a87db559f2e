"""Events for other systems (records §7): what they tell, and each one's way to a channel.

An event goes to every channel that wants its type, once for each: a ``Delivery``. Events
about the same thing reach a channel in the order in which they happened, so a delivery
that fails holds back the later ones of its subject, and only those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from certctl.domain.clock import DAY_US, SECOND_US

FIRST_DELAY_US = 10 * SECOND_US
LONGEST_DELAY_US = DAY_US
"""Delays double from the first one; who still fails when they would exceed this is dead."""

MAX_ERROR = 200

EventData = Mapping[str, str | int | list[str]]
"""JSON values only, and never a secret: they leave the house."""


class EventType(StrEnum):
    """What an event tells."""

    CERT_ISSUED = "cert.issued"
    CERT_RENEWED = "cert.renewed"
    CERT_REVOKED = "cert.revoked"
    CERT_EXPIRING_SOON = "cert.expiring_soon"
    CA_EXPIRING_SOON = "ca.expiring_soon"
    TRUST_EXPIRING_SOON = "trust.expiring_soon"
    AUTH_LOCKED_OUT = "est.auth_locked_out"
    CHANNEL_BINDING_MISMATCH = "est.channel_binding_mismatch"
    REQUEST_PENDING = "est.request_pending"
    TEST = "certctl.test"
    """Sent by an operator to try a channel; never in the outbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        id: what receivers tell repetitions by; that of the audit event where there is one.
        subject: what it is about (``certificate/ID``, ``source/ADDRESS`` …): events of
            one subject stay in order.
    """

    id: str
    type: EventType
    time_us: int
    subject: str
    data: EventData


CA_CHANNEL = "ca:"
"""Begins the name of what is no channel of the settings, but the issuer after it: a CA
outside that must be told what was revoked.
"""


def ca_channel(issuer_id: str) -> str:
    return f"{CA_CHANNEL}{issuer_id}"


class DeliveryStatus(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Given up; stays until an operator sends it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one channel.

    Attributes:
        body: the event as CloudEvents 1.0 JSON, the same octets at each attempt.
        made_us: rises with each event of a node, also within one microsecond: the order.
        at_us: waiting: when it is due; delivered or dead: since when.
        error: what was wrong at the last attempt, without any secret.
    """

    event_id: str
    channel: str
    type: EventType
    subject: str
    body: str
    made_us: int
    at_us: int
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeMark:
    """How far notices of one kind have come.

    ``name`` is ``cert/DAYS`` (all certificates that expire before ``at_us``, or at it and
    with no higher id than ``id``, are dealt with) or what one notice was about (then
    ``at_us`` is when that expires).
    """

    name: str
    at_us: int
    id: str = ""


def delivered(delivery: Delivery, now_us: int) -> Delivery:
    """After a channel has taken it."""
    return replace(
        delivery,
        status=DeliveryStatus.DELIVERED,
        attempts=delivery.attempts + 1,
        at_us=now_us,
        error="",
    )


def failed(delivery: Delivery, error: str, now_us: int, *, random: Callable[[], float]) -> Delivery:
    """After a failed attempt: due again later, or dead.

    ``random`` gives a number from 0 up to 1: the delay is between half of what is due
    and all of it, so that receivers that come back are not met by everything at once.
    """
    attempts = delivery.attempts + 1
    delay_us = FIRST_DELAY_US << min(delivery.attempts, 62)
    dead = delay_us > LONGEST_DELAY_US
    waits_us = 0 if dead else delay_us - int(delay_us / 2 * random())
    return replace(
        delivery,
        status=DeliveryStatus.DEAD if dead else DeliveryStatus.WAITING,
        attempts=attempts,
        at_us=now_us + waits_us,
        error=error[:MAX_ERROR],
    )


def given_up(delivery: Delivery, error: str, now_us: int) -> Delivery:
    """Dead without another attempt: there is nobody to send it to."""
    return replace(delivery, status=DeliveryStatus.DEAD, at_us=now_us, error=error[:MAX_ERROR])
