"""The page of all refusals, made from the code: ``python -m certctl.web.refusal_page``.

``docs/reference/refusals.md`` is its output; a test holds the two together, and another
one that no failure and no reason is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from certctl.domain.errors import (
    BindingFailure,
    BodyTooLarge,
    CertificateRefused,
    CredentialMissing,
    Denied,
    DeviceStateFailed,
    Failure,
    InternalError,
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
    WrongPassword,
)
from certctl.domain.profiles import AuthMode, EstProfile
from certctl.web.problems import CERTIFICATE_REASONS, MALFORMED_REASONS, RENEWAL_REASONS, problem_of

HEAD = """\
# Refusals

Generated from the code by `python -m certctl.web.refusal_page`; do not edit.

What a device is told, and what stays on record. Each answer is three short lines (what was
wrong, which rule, how to mend it) and a `request-id:` under which the audit trail and the log
know it; `application/problem+json` with the same fields where `Accept` asks for it. Values in
the samples are examples. *failed* is `est_simple_enroll_failed` or `est_simple_reenroll_failed`.
A 401 carries a challenge, a 429, a 202 and a 503 carry `Retry-After` in seconds.

"""

DIMENSIONS = (
    "key_algorithm",
    "key_size",
    "weak_key",
    "eku",
    "san",
    "subject",
    "name",
    "attribute",
    "extension",
    "lint",
)

_PROFILE = EstProfile(
    path_id="corp", issuer_id="iss-local", auth_modes=frozenset({AuthMode.BASIC, AuthMode.MTLS})
)


def samples() -> Iterator[Failure]:
    """One of each refusal that an EST request can meet, with each of its reasons."""
    yield CredentialMissing()
    yield WrongPassword(user="device-1")
    yield LockedOut(retry_after=1_800)
    yield from (CertificateRefused(reason) for reason in CERTIFICATE_REASONS)
    for reason in ("missing", "malformed", "mismatch", "no_exporter"):
        yield BindingFailure(reason)
    yield ProxyHeaderRefused("client-cert", "doubled")
    yield BodyTooLarge(65_536)
    yield from (RequestMalformed(reason) for reason in MALFORMED_REASONS)
    yield SignatureWrong()
    for dimension in DIMENSIONS:
        yield PolicyViolation(dimension, wanted="what the profile says", got="what was asked for")
    for reason in RENEWAL_REASONS:
        compared = reason.endswith("_changed") and reason != "key_changed"
        wanted, got = ("CN=a", "CN=b") if compared else ("", "")
        yield NotAllowed(reason, wanted=wanted, got=got)
    yield DeviceStateFailed(note="unpatched")
    yield RateLimited(limit=3, retry_after=3_600)
    yield Pending(request="0190a1b2c3d4", retry_after=60)
    yield Denied(note="not one of ours")
    yield IssuerUnavailable("issuer iss-local")
    yield StoreUnavailable("store")
    yield InternalError()


def page() -> str:
    """The whole page (Markdown)."""
    rows = "".join(f"{_row(failure)}\n" for failure in samples())
    columns = "| status | reason | answer | event | counter |\n|---|---|---|---|---|\n"
    return HEAD + columns + rows


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
    return f"`{failure.action}`" if failure.action is not None else "*failed*"


def _counter(failure: Failure) -> str:
    return f"`{failure.counter}`" if failure.counter is not None else "none"


if __name__ == "__main__":
    sys.stdout.write(page())
