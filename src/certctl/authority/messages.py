"""What travels between a worker and the authority, and how failures survive the trip.

A frame is four octets of length (big-endian) and a msgpack list of messages. Requests
carry an id that is unique on their connection; answers come back by id, in any order.
The socket is reachable only for this user (directory mode 0700, peer checked), yet
frames are typed and bounded: the authority never trusts a worker's word on shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import msgspec

from certctl.authority.commands import Command, CommandResult
from certctl.domain.audit import AuditEvent, Counter
from certctl.domain.errors import (
    CertificateProfileUnavailable,
    CertificateRefused,
    CommandRefused,
    Conflict,
    CrlRefused,
    Denied,
    DeviceStateFailed,
    Failure,
    InProgress,
    InternalError,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
    KeyReused,
    LeaseLost,
    LockedOut,
    NotAllowed,
    NotFound,
    Pending,
    PolicyViolation,
    RateLimited,
    StoreUnavailable,
    TrustRefused,
    WaitingRoomFull,
)
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.kept_answer import Once, Origin
from certctl.domain.order import Issued, Order
from certctl.domain.ports import WrongAttempt
from certctl.obs.tracing.steps import Step
from certctl.wire.traceparent import LENGTH, PATTERN

# An order holds one CSR (bounded by EST_MAX_BODY) twice at most; a frame holds a turn's
# worth of them. Anything larger is not ours.
MAX_FRAME = 16 * 1024 * 1024


Trace: TypeAlias = Annotated[str, msgspec.Meta(pattern=PATTERN, max_length=LENGTH)]
"""The worker's span that asks, as ``traceparent`` has it; the authority only hands it back."""


class IssueRequest(msgspec.Struct, frozen=True, array_like=True, tag="issue"):
    id: int
    order: Order
    trace: Trace | None = None


class RefusalNote(msgspec.Struct, frozen=True, array_like=True, tag="refusal"):
    """A refusal to be recorded; not answered."""

    event: AuditEvent
    counter: Counter | None


class CommandRequest(msgspec.Struct, frozen=True, array_like=True, tag="command"):
    """A command of an operator or a job, run in a transaction of its own.

    ``bearer`` is the API key that a worker was sent with it; without one that covers it, a
    worker's command is refused.
    """

    id: int
    command: Command
    origin: Origin | None = None
    once: Once | None = None
    bearer: str = ""
    trace: Trace | None = None


class AttemptRequest(msgspec.Struct, frozen=True, array_like=True, tag="attempt"):
    """A password was tried from an address, and no order comes of it; ``wrong`` None: right."""

    id: int
    address: str
    wrong: WrongAttempt | None


class AttemptReply(msgspec.Struct, frozen=True, array_like=True, tag="counted"):
    id: int


class IssueReply(msgspec.Struct, frozen=True, array_like=True, tag="issued"):
    id: int
    issued: Issued


class StartedReply(msgspec.Struct, frozen=True, array_like=True, tag="started"):
    """A CA outside has the order; what comes of it follows under the same id."""

    id: int


class CommandReply(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    id: int
    result: CommandResult


class FailureReply(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """A refusal of the authority: the failure's class by name, and its data."""

    id: int
    kind: str
    data: dict[str, str | int]
    on_record: bool = False


class StepsReply(msgspec.Struct, frozen=True, array_like=True, tag="steps"):
    """What was done for the request that named ``trace``; its answer comes by itself."""

    trace: Trace
    steps: tuple[Step, ...]


Request = IssueRequest | RefusalNote | CommandRequest | AttemptRequest
Reply = IssueReply | StartedReply | FailureReply | CommandReply | AttemptReply
Told = Reply | StepsReply
"""What the authority writes to a worker that traces; to others it writes only replies."""


# What each failure carries over the socket: the names of its constructor's arguments.
_CARRIED: Mapping[type[Failure], tuple[str, ...]] = {
    PolicyViolation: ("dimension", "wanted", "got"),
    CertificateRefused: ("reason", "subject", "issuer", "serial"),
    NotAllowed: ("reason", "wanted", "got"),
    Denied: ("note",),
    DeviceStateFailed: ("note",),
    LockedOut: ("retry_after", "failures"),
    RateLimited: ("limit", "retry_after"),
    Pending: ("request", "retry_after"),
    InProgress: ("retry_after",),
    IssuerRefused: ("note",),
    IssuerMisbehaved: ("note",),
    IssuerUnavailable: ("what", "retry_after"),
    IssuerDisabled: ("what", "retry_after"),
    IssuerSilent: ("what", "retry_after"),
    StoreUnavailable: ("what", "retry_after"),
    CertificateProfileUnavailable: ("what", "retry_after"),
    WaitingRoomFull: ("what", "retry_after"),
    NotFound: ("what",),
    LeaseLost: ("job",),
    Conflict: ("what",),
    KeyReused: (),
    CommandRefused: ("reason", "wanted", "name"),
    CrlRefused: ("reason", "wanted", "got"),
    TrustRefused: ("reason", "problem", "remedy"),
}
_BY_NAME: Mapping[str, type[Failure]] = {kind.__name__: kind for kind in _CARRIED}


def failure_reply(request_id: int, failure: Failure) -> FailureReply:
    """Flatten a failure that the authority may raise; others are faults of ours."""
    names = _CARRIED.get(type(failure))
    if names is None:
        return FailureReply(request_id, InternalError.__name__, {}, failure.on_record)
    data = {name: getattr(failure, name) for name in names}
    return FailureReply(request_id, type(failure).__name__, data, failure.on_record)


def failure_of(reply: FailureReply) -> Failure:
    """The failure a reply stands for; an unknown one is a fault of ours."""
    kind = _BY_NAME.get(reply.kind)
    failure = kind(**reply.data) if kind is not None else InternalError()
    failure.on_record = reply.on_record
    return failure


_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(list[Request])
_reply_decoder = msgspec.msgpack.Decoder(list[Reply])
_told_decoder = msgspec.msgpack.Decoder(list[Told])


class FrameError(ValueError):
    """The peer does not speak our protocol; the connection is closed."""


def encode_frame(messages: Sequence[Request] | Sequence[Told]) -> bytes:
    body = _encoder.encode(messages)
    return len(body).to_bytes(4, "big") + body


_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises: the last two come through as Python's own."""


def decode_requests(frame: bytes) -> list[Request]:
    """Raises FrameError."""
    try:
        return _request_decoder.decode(frame)
    except _MALFORMED as err:
        raise FrameError(str(err)) from err


def decode_replies(frame: bytes) -> list[Reply]:
    """Raises FrameError."""
    try:
        return _reply_decoder.decode(frame)
    except _MALFORMED as err:
        raise FrameError(str(err)) from err


def decode_told(frame: bytes) -> list[Told]:
    """Raises FrameError."""
    try:
        return _told_decoder.decode(frame)
    except _MALFORMED as err:
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
