"""Events in words, for people. Values came from devices: they are escaped, and cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from certctl.domain.events import Delivery, EventType
from certctl.domain.plain_text import escaped

MAX_VALUE: Final = 500

_TITLES: Final[Mapping[EventType, str]] = {
    EventType.CERT_ISSUED: "Certificate issued",
    EventType.CERT_RENEWED: "Certificate renewed",
    EventType.CERT_REVOKED: "Certificate revoked",
    EventType.CERT_EXPIRING_SOON: "Certificate expires soon",
    EventType.CA_EXPIRING_SOON: "CA expires soon",
    EventType.TRUST_EXPIRING_SOON: "Trust anchor expires soon",
    EventType.AUTH_LOCKED_OUT: "Source locked out after wrong passwords",
    EventType.CHANNEL_BINDING_MISMATCH: "Channel binding mismatch: possibly a bridged connection",
    EventType.REQUEST_PENDING: "A request waits for approval",
    EventType.TEST: "Test of this channel",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One line, and a line per detail; printable characters only."""

    title: str
    lines: tuple[str, ...]


def words(delivery: Delivery) -> Words:
    """What an event says."""
    event: dict[str, Any] = msgspec.json.decode(delivery.body)
    data: dict[str, Any] = event["data"]
    about = data.get("subject") or data.get("source_address") or ""
    title = _TITLES[delivery.type]
    return Words(
        title=f"{title}: {_shown(about)}" if about else title,
        lines=(
            f"time: {event['time']}",
            *(f"{name}: {_shown(value)}" for name, value in data.items() if value not in ("", [])),
            f"event: {event['type']} {event['id']} from {event['source']}",
        ),
    )


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    safe = escaped(text)
    return safe if len(safe) <= MAX_VALUE else f"{safe[:MAX_VALUE]}…"
