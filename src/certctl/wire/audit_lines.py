"""The audit trail as JSON lines: exports, and copies as it happens.

Each line is one object with its ``kind``. Whatever stands before it is skipped, so a file
that a syslog collector wrote can be read too.
"""

from __future__ import annotations

import msgspec

from certctl.domain.audit import RecordedEvent
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.retention import AuditStub


class HeadLine(msgspec.Struct, frozen=True, tag="head", tag_field="kind"):
    version: int


class CheckpointLine(msgspec.Struct, frozen=True, tag="checkpoint", tag_field="kind"):
    checkpoint: Checkpoint


class StubLine(msgspec.Struct, frozen=True, tag="stub", tag_field="kind"):
    stub: AuditStub


class EventLine(msgspec.Struct, frozen=True, tag="event", tag_field="kind"):
    event: RecordedEvent


class EndLine(msgspec.Struct, frozen=True, tag="end", tag_field="kind"):
    """How much came before, so that a file cut short is known as one."""

    checkpoints: int
    events: int


Line = HeadLine | CheckpointLine | StubLine | EventLine | EndLine

_BEGIN = b'{"kind":"'
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


def encode_line(line: Line) -> bytes:
    """With the line feed at its end; no other one is in it."""
    return _encoder.encode(line) + b"\n"


def decode_line(octets: bytes) -> Line:
    """The object of a whole line.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        return _decoder.decode(octets)
    except RecursionError as err:
        raise ValueError("nested too deep") from err


def find_line(octets: bytes) -> Line | None:
    """The object at the end of a line; None where a collector wrote something else.

    Raises:
        ValueError: it begins like ours and is damaged.
    """
    begin = octets.find(_BEGIN)
    return None if begin < 0 else decode_line(octets[begin:])
