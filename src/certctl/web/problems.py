"""The table that turns a failure into HTTP (est §7): status, three lines, headers.

Line one says what was wrong with which value, line two which rule refused it, line
three how to mend it; then the request id, which a header carries too. Authentication
texts do not tell which half was right, nothing from another profile appears, control
characters are escaped. What each reason says stands in ``web.refusal_words``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

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
    Unavailable,
    WaitingRoomFull,
    WrongPassword,
)
from certctl.domain.issuer_disabled import IssuerDisabled
from certctl.domain.plain_text import shown
from certctl.domain.profiles import EstProfile, Operation, Route
from certctl.web.answers import Answer, Headers
from certctl.web.refusal_words import CERTIFICATE, MALFORMED, NOT_ALLOWED, POLICY, Words

TEXT = (b"Content-Type", b"text/plain; charset=utf-8")
JSON = (b"Content-Type", b"application/problem+json")
BASIC_CHALLENGE = (b"WWW-Authenticate", b'Basic realm="est-enrollment"')
REQUEST_ID = b"X-Request-Id"
CERTIFICATE_CHALLENGE = (b"WWW-Authenticate", b'ClientCertificate realm="est-enrollment"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal in words, before it is written as text or JSON."""

    status: int
    what: str
    rule: str
    mend: str
    headers: Headers = ()
    close: bool = False


def problem_of(
    failure: Failure, profile: EstProfile | None, route: Route = Route.STANDARD
) -> Problem:
    """Words and status for a failure; anything unknown is a 500 without detail.

    ``profile`` and ``route`` say which credentials would have opened.
    """
    match failure:
        case CredentialMissing() | WrongPassword():
            return _unauthorized(_no_credential(profile), profile, route)
        case CertificateRefused():
            return _certificate_refused(failure, profile, route)
        case LockedOut():
            return Problem(
                status=429,
                what="Too many wrong passwords came from this address.",
                rule="CERTCTL_EST_LOCKOUT_FAILURES wrong passwords in a row lock a source out.",
                mend=f"Mend the password, then try again in {failure.retry_after} seconds.",
                headers=(_retry_after(failure.retry_after),),
            )
        case BindingFailure():
            return _BINDING[failure.reason]
        case RequestMalformed() | ProxyHeaderRefused():
            return _unreadable(failure)
        case PolicyViolation():
            return Problem(
                status=403 if failure.dimension == "name" else 400,
                what=f"Not allowed here ({failure.dimension}): {shown(failure.got)}.",
                rule=f"The certificate profile wants: {shown(failure.wanted)}.",
                mend=POLICY[failure.dimension],
            )
        case InProgress() | IssuerRefused() | IssuerMisbehaved() | IssuerSilent():
            return _from_outside(failure)
        case NotAllowed() | RateLimited() | Pending():
            return _not_granted(failure)
        case Unavailable():
            return _unavailable(failure)
        case _:
            return Problem(
                status=500,
                what="The server failed on this request.",
                rule="This is a fault of the server, not of the request.",
                mend="Give the operator the request id below.",
            )


def answer_of(problem: Problem, *, request_id: str, wants_json: bool) -> Answer:
    """Write a problem as text, or as RFC 9457 JSON where the client asked for it."""
    if wants_json:
        body = json.dumps(
            {
                "type": "about:blank",
                "status": problem.status,
                "title": problem.what,
                "detail": f"{problem.rule} {problem.mend}",
                "rule": problem.rule,
                "remedy": problem.mend,
                "request_id": request_id,
            },
            ensure_ascii=False,
        ).encode()
        kind = JSON
    else:
        lines = (problem.what, problem.rule, problem.mend, f"request-id: {request_id}")
        body = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
        kind = TEXT
    headers = (kind, *problem.headers, (REQUEST_ID, request_id.encode()))
    return Answer(status=problem.status, headers=headers, body=body, close=problem.close)


def wants_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the client asked for problems as JSON (RFC 9457)."""
    return any(
        name == b"accept" and b"application/problem+json" in value for name, value in headers
    )


def not_found(operations: tuple[Operation, ...]) -> Problem:
    names = ", ".join(operations)
    return Problem(
        status=404,
        what="There is no such EST profile or operation.",
        rule=f"Operations here are: {names}." if names else "EST is not enabled on this server.",
        mend="Check the path: /.well-known/est/PROFILE/OPERATION, exactly and in lower case.",
    )


def nothing_here() -> Problem:
    """For paths that are not EST's."""
    return Problem(
        status=404,
        what="Nothing is here.",
        rule="EST is at /.well-known/est/PROFILE/OPERATION; /health and /ready tell of the server.",
        mend="Check the path, letter by letter.",
    )


def not_on_this_port() -> Problem:
    """For paths that the listener for old devices does not serve."""
    return Problem(
        status=404,
        what="Nothing is here.",
        rule="This port is for old devices: EST and PKI paths only.",
        mend="Use the server's main port, over TLS 1.3.",
    )


def wrong_method(
    allowed: str, *, mend: str = "GET cacerts and csrattrs, POST everything else."
) -> Problem:
    return Problem(
        status=405,
        what="This method does not fit this path.",
        rule=f"It takes: {allowed}.",
        mend=mend,
        headers=((b"Allow", allowed.encode()),),
    )


def _unreadable(failure: RequestMalformed | ProxyHeaderRefused) -> Problem:
    """The body, or what a proxy says about its client."""
    match failure:
        case BodyTooLarge():
            return Problem(
                status=413,
                what=f"The body is longer than {failure.limit} octets.",
                rule="CERTCTL_EST_MAX_BODY limits what this server reads.",
                mend="Send one PKCS#10 request and nothing else.",
                close=True,
            )
        case SignatureWrong():
            return Problem(
                status=400,
                what=f"The signature of the CSR does not hold{_note(failure.note)}.",
                rule="A CSR proves possession of its key (RFC 7030 §3.4); SHA-1 and MD5 do not.",
                mend="Sign the CSR with the key it contains, using SHA-256 or better.",
            )
        case RequestMalformed():
            words = MALFORMED[failure.reason]
            return Problem(
                status=400,
                what=f"{words.what}{_note(failure.note)}.",
                rule=words.rule,
                mend=words.mend,
            )
        case _:
            return Problem(
                status=400,
                what=f"The proxy's {failure.header} header cannot be used: {failure.fault}.",
                rule="A trusted proxy names its client once and readably (RFC 9440, RFC 7239).",
                mend="Have the operator mend the proxy: docs/how-to/behind-a-proxy.md.",
            )


def _retry_after(seconds: int) -> tuple[bytes, bytes]:
    return b"Retry-After", b"%d" % seconds


def _note(note: str) -> str:
    return f": {shown(note)}" if note else ""


def _no_credential(profile: EstProfile | None) -> Words:
    """The same words for none and for a wrong one: they must not tell which half was right."""
    basic = profile is not None and profile.basic
    mtls = profile is not None and profile.mtls
    ways = " or ".join(
        way
        for way, is_open in (
            ("HTTP Basic with the enrollment password", basic),
            ("a client certificate this profile accepts", mtls),
        )
        if is_open
    )
    return Words(
        "The request carries no credential that opens this profile.",
        "This profile needs authentication.",
        f"Authenticate with {ways or 'a credential'}.",
    )


def _unauthorized(words: Words, profile: EstProfile | None, route: Route) -> Problem:
    """RFC 7030 §3.2.3: every 401 carries a challenge, Basic first where Basic is open."""
    basic = profile is not None and profile.basic and route is Route.STANDARD
    return Problem(
        status=401,
        what=words.what,
        rule=words.rule,
        mend=words.mend,
        headers=(BASIC_CHALLENGE if basic else CERTIFICATE_CHALLENGE,),
    )


def _certificate_refused(
    failure: CertificateRefused, profile: EstProfile | None, route: Route
) -> Problem:
    """With the reason's name (est §3), which people search for."""
    words = CERTIFICATE[failure.reason]
    named = f"Client certificate: {failure.reason.replace('_', ' ')}. {words.rule}"
    return _unauthorized(words._replace(rule=named), profile, route)


def _unavailable(failure: Unavailable) -> Problem:
    """503: what will pass, and who can hasten it."""
    seconds = f"Send the same request again in {failure.retry_after} seconds"
    match failure:
        case IssuerDisabled():
            words = Words(
                "The issuer of this profile is disabled; nothing was issued for this request.",
                "An operator has switched it off, and only the issuer of this profile signs its"
                " certificates.",
                f"{seconds}; the operator enables it: `certctl-cli issuers enable`.",
            )
        case IssuerUnavailable():
            words = Words(
                "The CA cannot sign this request now; nothing was issued for it.",
                "Only the issuer of this profile signs its certificates.",
                f"{seconds}; if it lasts, the operator looks at the issuer's key in the log.",
            )
        case CertificateProfileUnavailable():
            words = Words(
                "Nothing is issued under the rules of this profile now.",
                "The certificate profile is switched off or missing, and without rules nothing"
                " is issued.",
                f"{seconds}; the operator enables it: `certctl-server profiles list`.",
            )
        case WaitingRoomFull():
            words = Words(
                "Too many requests wait for approval already; this one was not kept.",
                "The number of waiting requests is bounded.",
                f"{seconds}; the operator decides on some: `certctl-server requests list`.",
            )
        case _:
            words = Words(
                "The request cannot go on record now; nothing was issued for it.",
                "No certificate leaves before it is on record.",
                f"{seconds}; if it lasts, the operator looks at disk and database in the log.",
            )
    return Problem(
        status=503,
        what=words.what,
        rule=words.rule,
        mend=words.mend,
        headers=(_retry_after(failure.retry_after),),
    )


def _not_granted(failure: NotAllowed | RateLimited | Pending) -> Problem:
    """What only the authority, an operator or the device-state hook can say."""
    match failure:
        case Denied():
            return Problem(
                status=403,
                what=f"This request was denied{_note(failure.note)}.",
                rule="The certificate profile has an operator decide on each request.",
                mend="Ask the operator; a changed request is a new one and waits again.",
            )
        case DeviceStateFailed():
            return Problem(
                status=403,
                what=f"The state of this device does not allow a certificate{_note(failure.note)}.",
                rule="DEVICE_STATE_HOOK of the profile is asked before a certificate is issued.",
                mend="Bring the device into the state the operator asks for, then try again.",
            )
        case RateLimited():
            return Problem(
                status=429,
                what=f"This device has had {failure.limit} certificates within 24 hours.",
                rule="RATE_LIMIT_PER_PRINCIPAL_24H of the profile limits each name and address.",
                mend=f"Try again in {failure.retry_after} seconds, or ask the operator.",
                headers=(_retry_after(failure.retry_after),),
            )
        case Pending():
            return Problem(
                status=202,
                what=f"The request waits for approval as {shown(failure.request)}.",
                rule="The certificate profile has an operator decide on each request.",
                mend=f"Send the same request again in {failure.retry_after} seconds.",
                headers=(_retry_after(failure.retry_after),),
            )
        case _:
            return _not_allowed(failure)


def _from_outside(
    failure: InProgress | IssuerRefused | IssuerMisbehaved | IssuerSilent,
) -> Problem:
    """What a CA outside has to do with."""
    match failure:
        case IssuerRefused():
            return Problem(
                status=403,
                what=f"The CA refused this request{_note(failure.note)}.",
                rule="The issuer of this profile is a CA with rules of its own.",
                mend="Ask the operator what the CA demands, then send another request.",
            )
        case IssuerMisbehaved():
            return Problem(
                status=500,
                what="The CA's answer was not what was ordered.",
                rule="What a CA outside gives is held against the request before anybody gets it.",
                mend="Give the operator the request id below: the CA behind this profile is at"
                " fault.",
            )
        case InProgress():
            return Problem(
                status=202,
                what="The CA has this request and has not answered yet.",
                rule="One request is one certificate, however often it is sent.",
                mend=f"Send the same request again in {failure.retry_after} seconds.",
                headers=(_retry_after(failure.retry_after),),
            )
        case _:
            return Problem(
                status=503,
                what="The CA gave no clear answer to this request.",
                rule="No certificate leaves before it is on record.",
                mend=f"Send the same request again in {failure.retry_after} seconds.",
                headers=(_retry_after(failure.retry_after),),
            )


def _not_allowed(failure: NotAllowed) -> Problem:
    words = NOT_ALLOWED[failure.reason]
    compared = (
        f" It has {shown(failure.got)}, not {shown(failure.wanted)}." if failure.wanted else ""
    )
    return Problem(status=403, what=words.what + compared, rule=words.rule, mend=words.mend)


_BINDING = {
    "missing": Problem(
        status=400,
        what="The CSR carries no channel binding.",
        rule="This profile requires one (CHANNEL_BINDING_REQUIRED, RFC 7030 §3.5).",
        mend="After the handshake, put base64 of the connection's tls-exporter (RFC 9266), or of"
        " tls-unique on TLS 1.2, into challengePassword.",
        close=True,
    ),
    "malformed": Problem(
        status=400,
        what="What the CSR carries for a channel binding is none.",
        rule="A binding is base64 of 32 octets (tls-exporter) or of 12 (tls-unique, TLS 1.2).",
        mend="Write the binding itself, as padded base64 in one string, in place of what stands"
        " there: 44 characters for tls-exporter, 16 for tls-unique.",
        close=True,
    ),
    "mismatch": Problem(
        status=409,
        what="The CSR is bound to another TLS connection.",
        rule="A channel binding must be of the connection it arrives on (RFC 9266, RFC 7030 §3.5).",
        mend="Make the CSR after the handshake, on the connection that sends it.",
        close=True,
    ),
    "no_exporter": Problem(
        status=426,
        what="This connection has nothing that a CSR could be bound to.",
        rule="Channel binding needs TLS 1.3, or TLS 1.2 with extended master secret, from end to"
        " end (RFC 9266, RFC 7627).",
        mend="Please connect directly to this server, over TLS 1.3.",
        headers=((b"Upgrade", b"TLS/1.3"),),
        close=True,
    ),
}
