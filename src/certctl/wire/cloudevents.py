"""Events as CloudEvents 1.0 in JSON (structured mode), and the signature over them.

The signature is HMAC-SHA256 over ``TIMESTAMP.BODY``: the time of sending in seconds, a
dot, and the octets of the body. With the time inside, a receiver can refuse old copies.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import msgspec

from certctl.domain.clock import SECOND_US
from certctl.domain.events import Event

CONTENT_TYPE = "application/cloudevents+json"

_encoder = msgspec.json.Encoder()


def encode_cloudevent(event: Event, *, source: str) -> str:
    """The event as a JSON object (CloudEvents JSON format §3); ``source`` is a URI."""
    return _encoder.encode(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": source,
            "type": event.type.value,
            "subject": event.subject,
            "time": rfc3339(event.time_us),
            "datacontenttype": "application/json",
            "data": event.data,
        }
    ).decode()


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """The value of ``X-Signature``; ``timestamp`` in seconds since 1970."""
    digest = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def rfc3339(time_us: int) -> str:
    """A moment in UTC, to the microsecond."""
    moment = datetime.fromtimestamp(time_us // SECOND_US, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % SECOND_US:06d}Z"
