"""The page of all refusals, made from the code: ``python -m certctl.wiring.refusal_page``.

``docs/reference/refusals.md`` is its output; a test holds the two together, and another
one that no failure and no reason is left out.
"""

from __future__ import annotations

import sys
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
from certctl.domain.profiles import AuthMode, EstProfile
from certctl.tls.refusals import REFUSALS, Refusal
from certctl.web.problems import problem_of
from certctl.web.refusal_words import CERTIFICATE, MALFORMED, NOT_ALLOWED, POLICY

HEAD = """\
# Refusals

Generated from the code by `python -m certctl.wiring.refusal_page`; do not edit.

What a device is told, and what stays on record. Each answer is three short lines (what was
wrong, which rule, how to mend it) and a `request-id:` under which the audit trail and the log
know it, and which the header `X-Request-Id` carries too; `application/problem+json` with the
same fields where `Accept` asks for it. Values in the samples are examples. *failed* is
`est_simple_enroll_failed` or `est_simple_reenroll_failed`.
A 401 carries a challenge, a 429, a 202 and a 503 carry `Retry-After` in seconds.

"""

EDGE_HEAD = """
## What is no EST request

Refused by HTTP itself, before any profile is known: always as text, and the connection ends.
The log line `edge_refused` has the same request id; no audit event and no counter tell of it.

"""

_PROFILE = EstProfile(
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
    yield IssuerSilent("issuer corp", retry_after=30)
    yield IssuerRefused("the subject is not in the inventory")
    yield IssuerMisbehaved("not as ordered: subject")
    yield InProgress(retry_after=1)
    yield StoreUnavailable("store")
    yield CertificateProfileUnavailable("certificate profile cp-iot", retry_after=60)
    yield WaitingRoomFull("room for more waiting requests", retry_after=3_600)
    yield InternalError()


def page() -> str:
    """The whole page (Markdown)."""
    rows = "".join(f"{_row(failure)}\n" for failure in samples())
    columns = "| status | reason | answer | event | counter |\n|---|---|---|---|---|\n"
    edge_columns = "| status | reason | answer |\n|---|---|---|\n"
    edge_rows = "".join(f"{_edge_row(refusal)}\n" for refusal in Refusal)
    return HEAD + columns + rows + EDGE_HEAD + edge_columns + edge_rows


def _edge_row(refusal: Refusal) -> str:
    status, *lines = REFUSALS[refusal]
    return f"| {status} | `{refusal}` | {'<br>'.join(lines)} |"


def _row(failure: Failure) -> str:
    problem = problem_of(failure, _PROFILE)
    words = f"{problem.what}<br>{problem.rule}<br>{problem.mend}".replace("|", "\\|")
    return (
        f"| {problem.status} | `{failure.reason}` | {words}"
        f" | {_event(failure)} | {_counter(failure)} |"
    )


def _event(failure: Failure) -> str:
    if isinstance(failure, CredentialMissing):
        return "none: the first half of a challenge"
    if isinstance(failure, Pending):
        return f"`{failure.action}`, once"
    if isinstance(failure, InProgress):
        return "none: what the CA answers leaves one"
    return f"`{failure.action}`" if failure.action is not None else "*failed*"


def _counter(failure: Failure) -> str:
    return f"`{failure.counter}`" if failure.counter is not None else "none"


if __name__ == "__main__":
    sys.stdout.write(page())
