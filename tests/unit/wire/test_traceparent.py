"""``traceparent``: only what W3C Trace Context §3.2 allows is read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.wire.traceparent import PATTERN, TraceParent, decode_traceparent, encode_traceparent

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + SPAN


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (GOOD + b"-01", True),
        (GOOD + b"-00", False),
        (GOOD + b"-ff", True),
        # A later version: what comes after the known fields is not looked at.
        (b"cc-" + TRACE + b"-" + SPAN + b"-01", True),
        (b"cc-" + TRACE + b"-" + SPAN + b"-01-what-the-future-brings", True),
    ],
)
def test_read(value: bytes, *, sampled: bool) -> None:
    found = decode_traceparent(value)
    assert found == TraceParent(trace_id=int(TRACE, 16), span_id=int(SPAN, 16), sampled=sampled)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        GOOD,
        GOOD + b"-1",
        GOOD + b"-01-",
        GOOD + b"-01-more",
        GOOD + b"-0g",
        GOOD + b"-01\n",
        b" " + GOOD + b"-01",
        (GOOD + b"-01").upper(),
        b"ff-" + TRACE + b"-" + SPAN + b"-01",
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"cc-" + TRACE + b"-" + SPAN + b"-01more",
        b"cc-" + TRACE + b"-" + SPAN + b"-01-" + b"x" * 1_000,
        "00-\uff14bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".encode(),
    ],
)
def test_not_read(value: bytes) -> None:
    assert decode_traceparent(value) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read_as_it_was(trace_id: int, span_id: int, sampled: bool) -> None:  # noqa: FBT001
    parent = TraceParent(trace_id=trace_id, span_id=span_id, sampled=sampled)
    written = encode_traceparent(parent)
    assert re.fullmatch(PATTERN, written)
    assert decode_traceparent(written.encode()) == parent


@given(st.binary(max_size=300))
def test_anything_is_read_or_not(value: bytes) -> None:
    found = decode_traceparent(value)
    assert found is None or (found.trace_id and found.span_id)
