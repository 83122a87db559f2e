"""Every failure in words that an operator can read: no class, no tuple of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from certctl.domain import errors
from certctl.domain.errors import CrlRefused, Failure
from certctl.domain.failure_words import FailureWords, words_of
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.ocsp import OcspError

CRL_REASONS = (
    "malformed",
    "algorithm",
    "issuer",
    "key_identifier",
    "number",
    "dates",
    "usage",
    "size",
    "partition",
    "distribution_point",
)

SAMPLES = (
    errors.AuthenticationFailure(),
    errors.CredentialMissing(),
    errors.WrongPassword(user="pump"),
    errors.CertificateRefused("revoked", subject="CN=pump", serial="0a"),
    errors.LockedOut(retry_after=60, failures=5),
    errors.BindingFailure("mismatch"),
    errors.RequestMalformed("not_pkcs10", "name: too long"),
    errors.BodyTooLarge(65_536),
    errors.SignatureWrong(),
    errors.ProxyHeaderRefused("Forwarded", "twice"),
    errors.PolicyViolation("key_size", wanted="RSA of 3072 bits", got="RSA of 1024 bits"),
    errors.NotAllowed("subject_changed", wanted="CN=a", got="CN=b"),
    errors.Denied(note="not ours"),
    errors.DeviceStateFailed(note="stolen"),
    errors.RateLimited(limit=3, retry_after=60),
    errors.Pending(request="0199ab", retry_after=60),
    errors.InProgress(retry_after=5),
    errors.IssuerRefused("no such role"),
    errors.IssuerMisbehaved("another key"),
    errors.OcspRefused(OcspError.UNAUTHORIZED, "asks about another issuer"),
    *(CrlRefused(reason, wanted="this", got="that") for reason in CRL_REASONS),
    errors.Unavailable("linter"),
    errors.IssuerUnavailable("issuer iss-local"),
    IssuerDisabled("issuer plant (disabled)"),
    errors.IssuerSilent("iss-script: sign.sh did not end in time"),
    errors.StoreUnavailable("authority"),
    errors.StoreUnavailable("store"),
    errors.StoreUnavailable("rules"),
    errors.CertificateProfileUnavailable("certificate profile cp-iot"),
    errors.WaitingRoomFull("waiting room"),
    errors.LeaseLost("crl-iss-local"),
    errors.NotFound("certificate 0a"),
    errors.Conflict("the certificate is not on hold"),
    errors.KeyReused(),
    errors.CommandRefused("role", wanted="operator", name="till"),
    errors.TrustRefused("bundle", problem="the bundle is empty", remedy="put a CA into it"),
    errors.InternalError(),
)


@pytest.mark.parametrize("failure", SAMPLES, ids=lambda each: f"{type(each).__name__}-{each}")
def test_a_failure_is_a_clause_to_read(failure: Failure):
    told = str(words_of(failure))
    assert re.fullmatch(r"[^\s'{].*[^\s.,;:(]", told)
    assert "('" not in told
    assert type(failure).__name__ not in told or type(failure) is errors.AuthenticationFailure


def test_no_class_of_failure_is_without_words():
    assert {type(each) for each in SAMPLES} == {*_kinds(Failure)}


def _kinds(kind: type[Failure]) -> Iterator[type[Failure]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def test_a_crl_that_was_refused_says_what_was_wanted_what_came_and_what_to_do():
    assert words_of(CrlRefused("number", wanted="at least 8", got="5")) == FailureWords(
        problem="the CRL was not signed: its number does not come after the newest one"
        " (wanted at least 8, got 5)",
        remedy="the next run makes it anew, with the number after the newest; if it fails again,"
        " see whether the database was replaced while the server ran, and restart the server",
    )


@pytest.mark.parametrize("reason", CRL_REASONS)
def test_each_reason_against_a_crl_has_words_and_a_remedy(reason: str):
    words = words_of(CrlRefused(reason))
    assert words.remedy
    assert words.problem.startswith("the CRL was not signed: ")
    assert words.problem != f"the CRL was not signed: {reason}"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (errors.Denied(note="not ours"), "not allowed (denied): not ours"),
        (errors.Denied(), "not allowed (denied)"),
        (
            errors.PolicyViolation("eku", wanted="clientAuth", got="serverAuth"),
            "not allowed (eku): wanted clientAuth, got serverAuth",
        ),
        (errors.StoreUnavailable("linter"), "this is not available now: linter"),
    ],
)
def test_what_else_operators_read(failure: Failure, told: str):
    assert str(words_of(failure)) == told


def test_text_from_outside_moves_no_terminal():
    told = words_of(errors.IssuerRefused("no\x1b[2J"))
    assert told.problem == "the CA outside refused: no\\u001b[2J"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x/ca.pem"), "/x/ca.pem: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("serial"), "'serial' (KeyError)"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_other_errors_say_what_they_have_to_say(fault: BaseException, told: str):
    assert words_of(fault).problem.startswith(told)
