"""The header ``traceparent`` of W3C Trace Context: which trace a request belongs to.

Only the numbers are read. ``tracestate`` and ``baggage`` are text of anybody's making and
have no reader here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEADER: Final = b"traceparent"

LENGTH: Final = 55
"""Characters of version 00; later versions begin with as many of the same form."""

PATTERN: Final = "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$"
"""As ``encode_traceparent`` writes it."""

# §3.2.2: lower case only; version ff is forbidden, and so are numbers of zeros alone.
_WRITTEN = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 0x01


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceParent:
    """A span of a trace: 128 and 64 bits, neither of them 0."""

    trace_id: int
    span_id: int
    sampled: bool


def decode_traceparent(value: bytes) -> TraceParent | None:
    """What the header says; None where it is not of the standard's form (§3.2)."""
    if not LENGTH <= len(value) <= 4 * LENGTH:
        return None
    found = _WRITTEN.fullmatch(value)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return TraceParent(
        trace_id=trace_id, span_id=span_id, sampled=bool(int(found[4], 16) & _SAMPLED)
    )


def encode_traceparent(parent: TraceParent) -> str:
    """Version 00 of it."""
    return f"00-{parent.trace_id:032x}-{parent.span_id:016x}-{int(parent.sampled):02x}"
