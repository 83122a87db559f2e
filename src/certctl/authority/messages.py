"""What travels between a worker and the authority, and how failures survive the trip.

A frame is four octets of length (big-endian) and a msgpack list of messages. Requests
carry an id that is unique on their connection; answers come back by id, in any order.
The socket is reachable only for this user (directory mode 0700, peer checked), yet
frames are typed and bounded: the authority never trusts a worker's word on shape.
"""

from __future__ import annotations

import msgspec

from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.errors import (
    CertificateRefused,
    Failure,
    InternalError,
    IssuerUnavailable,
    NotAllowed,
    PolicyViolation,
    StoreUnavailable,
)
from certctl.domain.order import Issued, Order

# An order holds one CSR (bounded by EST_MAX_BODY) twice at most; a frame holds a turn's
# worth of them. Anything larger is not ours.
MAX_FRAME = 16 * 1024 * 1024


class IssueRequest(msgspec.Struct, frozen=True, array_like=True, tag="issue"):
    id: int
    order: Order


class RefusalNote(msgspec.Struct, frozen=True, array_like=True, tag="refusal"):
    """A refusal to be recorded; not answered."""

    event: AuditEvent
    counter: Counter | None


class IssueReply(msgspec.Struct, frozen=True, array_like=True, tag="issued"):
    id: int
    issued: Issued


class FailureReply(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """A refusal of the authority: the failure's class by name, and its data."""

    id: int
    kind: str
    data: dict[str, str | int]


Request = IssueRequest | RefusalNote
Reply = IssueReply | FailureReply


def failure_reply(request_id: int, failure: Failure) -> FailureReply:
    """Flatten a failure that the authority may raise."""
    match failure:
        case PolicyViolation():
            data: dict[str, str | int] = {
                "dimension": failure.dimension,
                "wanted": failure.wanted,
                "got": failure.got,
            }
        case CertificateRefused():
            data = {
                "reason": failure.reason,
                "subject": failure.subject,
                "issuer": failure.issuer,
                "serial": failure.serial,
            }
        case NotAllowed():
            data = {"reason": failure.reason, "wanted": failure.wanted, "got": failure.got}
        case IssuerUnavailable() | StoreUnavailable():
            data = {"what": failure.what, "retry_after": failure.retry_after}
        case _:
            return FailureReply(request_id, "InternalError", {})
    return FailureReply(request_id, type(failure).__name__, data)


def failure_of(reply: FailureReply) -> Failure:
    """The failure a reply stands for; an unknown one is a fault of ours."""
    text = {name: str(value) for name, value in reply.data.items()}
    retry_after = reply.data.get("retry_after", 2)
    match reply.kind:
        case "PolicyViolation":
            return PolicyViolation(text["dimension"], wanted=text["wanted"], got=text["got"])
        case "CertificateRefused":
            return CertificateRefused(
                text["reason"],
                subject=text["subject"],
                issuer=text["issuer"],
                serial=text["serial"],
            )
        case "NotAllowed":
            return NotAllowed(text["reason"], wanted=text["wanted"], got=text["got"])
        case "IssuerUnavailable":
            return IssuerUnavailable(text["what"], retry_after=int(retry_after))
        case "StoreUnavailable":
            return StoreUnavailable(text["what"], retry_after=int(retry_after))
        case _:
            return InternalError()


_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(list[Request])
_reply_decoder = msgspec.msgpack.Decoder(list[Reply])


class FrameError(ValueError):
    """The peer does not speak our protocol; the connection is closed."""


def encode_frame(messages: list[Request] | list[Reply]) -> bytes:
    body = _encoder.encode(messages)
    return len(body).to_bytes(4, "big") + body


def decode_requests(frame: bytes) -> list[Request]:
    try:
        return _request_decoder.decode(frame)
    except msgspec.MsgspecError as err:
        raise FrameError(str(err)) from err


def decode_replies(frame: bytes) -> list[Reply]:
    try:
        return _reply_decoder.decode(frame)
    except msgspec.MsgspecError as err:
        raise FrameError(str(err)) from err


class FrameReader:
    """Cuts a byte stream into frames; keeps what is incomplete."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Frames completed by ``data``. Raises FrameError for an oversized one."""
        buffer = self._buffer
        buffer += data
        frames = []
        offset = 0
        while len(buffer) - offset >= 4:
            length = int.from_bytes(buffer[offset : offset + 4], "big")
            if length > MAX_FRAME:
                raise FrameError(f"frame of {length} octets")
            if len(buffer) - offset - 4 < length:
                break
            frames.append(bytes(buffer[offset + 4 : offset + 4 + length]))
            offset += 4 + length
        del buffer[:offset]
        return frames
