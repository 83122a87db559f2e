"""Failures of the authority arrive at the worker as what they were."""

from __future__ import annotations

import pytest

from certctl.authority.messages import decode_replies, encode_frame, failure_of, failure_reply
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
    IssuerSilent("issuer corp", retry_after=30),
    IssuerRefused("not in the inventory"),
    IssuerMisbehaved("not as ordered: subject"),
    InProgress(retry_after=1),
    StoreUnavailable("store"),
    CertificateProfileUnavailable("certificate profile cp", retry_after=60),
    WaitingRoomFull("room", retry_after=3_600),
    NotFound("certificate 12"),
]


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
