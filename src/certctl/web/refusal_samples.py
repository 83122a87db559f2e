"""One of each refusal that an EST request can meet: for the page of refusals and the GUI."""

from __future__ import annotations

from collections.abc import Iterator

from certctl.domain.errors import (
    BindingFailure,
    BodyTooLarge,
    CertificateProfileUnavailable,
    CertificateRefused,
    CredentialMissing,
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
    Pending,
    PolicyViolation,
    ProxyHeaderRefused,
    RateLimited,
    RequestMalformed,
    SignatureWrong,
    StoreUnavailable,
    WaitingRoomFull,
    WrongPassword,
)
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.profiles import AuthMode, EstProfile
from certctl.web.refusal_words import CERTIFICATE, MALFORMED, NOT_ALLOWED, POLICY

SAMPLE_PROFILE = EstProfile(
    path_id="corp", issuer_id="iss-local", auth_modes=frozenset({AuthMode.BASIC, AuthMode.MTLS})
)


def samples() -> Iterator[Failure]:
    """One of each refusal that an EST request can meet, with each of its reasons."""
    yield CredentialMissing()
    yield WrongPassword(user="device-1")
    yield LockedOut(retry_after=1_800)
    yield from (CertificateRefused(reason) for reason in CERTIFICATE)
    for reason in ("missing", "malformed", "mismatch", "no_exporter"):
        yield BindingFailure(reason)
    yield ProxyHeaderRefused("client-cert", "doubled")
    yield BodyTooLarge(65_536)
    yield from (RequestMalformed(reason) for reason in MALFORMED)
    yield SignatureWrong()
    for dimension in POLICY:
        yield PolicyViolation(dimension, wanted="what the profile says", got="what was asked for")
    for reason in NOT_ALLOWED:
        compared = reason in ("identity_mismatch", "subject_changed", "san_changed")
        wanted, got = ("CN=a", "CN=b") if compared else ("", "")
        yield NotAllowed(reason, wanted=wanted, got=got)
    yield DeviceStateFailed(note="unpatched")
    yield RateLimited(limit=3, retry_after=3_600)
    yield Pending(request="0190a1b2c3d4", retry_after=60)
    yield Denied(note="not one of ours")
    yield IssuerUnavailable("issuer iss-local")
    yield IssuerDisabled("issuer plant (disabled)", retry_after=60)
    yield IssuerSilent("issuer corp", retry_after=30)
    yield IssuerRefused("the subject is not in the inventory")
    yield IssuerMisbehaved("not as ordered: subject")
    yield InProgress(retry_after=1)
    yield StoreUnavailable("store")
    yield CertificateProfileUnavailable("certificate profile cp-iot", retry_after=60)
    yield WaitingRoomFull("room for more waiting requests", retry_after=3_600)
    yield InternalError()
