"""Failures of the authority arrive at the worker as what they were."""

from __future__ import annotations

import pytest

from certctl.authority.commands import RevokeCertificate
from certctl.authority.messages import (
    AttemptReply,
    CommandRequest,
    FrameError,
    StepsReply,
    Told,
    decode_replies,
    decode_requests,
    decode_told,
    encode_frame,
    failure_of,
    failure_reply,
)
from certctl.domain.errors import (
    CertificateProfileUnavailable,
    CertificateRefused,
    Denied,
    DeviceStateFailed,
    Failure,
    InProgress,
    InternalError,
    IssuerMisbehaved,
    IssuerRefused,
    IssuerSilent,
    IssuerUnavailable,
    LockedOut,
    NotAllowed,
    NotFound,
    Pending,
    PolicyViolation,
    RateLimited,
    StoreUnavailable,
    WaitingRoomFull,
    WrongPassword,
)
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.revocation import RevocationReason
from certctl.obs.tracing.steps import Step

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

FAILURES = [
    PolicyViolation("san", wanted="a", got="ü"),
    CertificateRefused("revoked", subject="CN=x", issuer="CN=y", serial="1f"),
    NotAllowed("subject_changed", wanted="CN=a", got="CN=b"),
    Denied(note="not yours"),
    DeviceStateFailed(note="unpatched"),
    LockedOut(retry_after=7),
    RateLimited(limit=3, retry_after=60),
    Pending(request="0123", retry_after=30),
    IssuerUnavailable("issuer iss-local", retry_after=60),
    IssuerDisabled("issuer plant (disabled)", retry_after=60),
    IssuerSilent("issuer corp", retry_after=30),
    IssuerRefused("not in the inventory"),
    IssuerMisbehaved("not as ordered: subject"),
    InProgress(retry_after=1),
    StoreUnavailable("store"),
    CertificateProfileUnavailable("certificate profile cp", retry_after=60),
    WaitingRoomFull("room", retry_after=3_600),
    NotFound("certificate 12"),
]


def command(trace: str | None) -> CommandRequest:
    asked = RevokeCertificate(certificate_id="c1", reason=RevocationReason.SUPERSEDED, actor="me")
    return CommandRequest(7, asked, trace=trace)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_failure_survives_the_trip(failure: Failure):
    frame = encode_frame([failure_reply(4, failure)])
    (reply,) = decode_replies(frame[4:])
    arrived = failure_of(reply)  # type: ignore[arg-type]
    assert type(arrived) is type(failure)
    assert arrived.details() == failure.details()
    assert getattr(arrived, "retry_after", None) == getattr(failure, "retry_after", None)


@pytest.mark.parametrize("failure", [IssuerRefused("no"), InternalError()])
def test_what_is_on_record_already_says_so(failure: Failure):
    for on_record in (False, True):
        failure.on_record = on_record
        (reply,) = decode_replies(encode_frame([failure_reply(4, failure)])[4:])
        assert failure_of(reply).on_record is on_record  # type: ignore[arg-type]


def test_a_failure_that_only_workers_meet_is_a_fault_of_ours():
    assert isinstance(failure_of(failure_reply(4, WrongPassword(user="x"))), InternalError)


@pytest.mark.parametrize(
    "trace",
    [
        "",
        TRACE.upper(),
        TRACE + "-more",
        TRACE + "\n",
        TRACE.replace("00-4", "01-4"),
        "00-" + "x" * 52,
        "00-" + "0" * 1_000_000,
    ],
)
def test_a_frame_with_a_trace_of_another_form_is_no_frame(trace: str):
    frame = encode_frame([command(trace)])
    with pytest.raises(FrameError):
        decode_requests(frame[4:])


def test_the_trace_of_a_request_arrives_as_it_was_sent():
    for trace in (None, TRACE):
        (asked,) = decode_requests(encode_frame([command(trace)])[4:])
        assert asked == command(trace)


def test_steps_come_only_to_a_worker_that_asked_for_them():
    told: list[Told] = [
        StepsReply(TRACE, (Step("issuer.sign", 1, 2, "iss-local"),)),
        AttemptReply(4),
    ]
    frame = encode_frame(told)[4:]
    assert decode_told(frame) == told
    with pytest.raises(FrameError):
        decode_replies(frame)
