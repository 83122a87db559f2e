"""The table that turns a failure into HTTP (est §7): status, three lines, headers.

Line one says what was wrong with which value, line two which rule refused it, line
three how to mend it; then the request id. Authentication texts do not tell which half
was right, nothing from another profile appears, control characters are escaped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from certctl.domain.errors import (
    BindingFailure,
    BodyTooLarge,
    CertificateRefused,
    CredentialMissing,
    Denied,
    DeviceStateFailed,
    Failure,
    LockedOut,
    NotAllowed,
    Pending,
    PolicyViolation,
    ProxyHeaderRefused,
    RateLimited,
    RequestMalformed,
    SignatureWrong,
    Unavailable,
    WrongPassword,
)
from certctl.domain.plain_text import shown
from certctl.domain.profiles import EstProfile, Operation
from certctl.web.answers import Answer, Headers

TEXT = (b"Content-Type", b"text/plain; charset=utf-8")
JSON = (b"Content-Type", b"application/problem+json")
BASIC_CHALLENGE = (b"WWW-Authenticate", b'Basic realm="est-enrollment"')
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


def problem_of(failure: Failure, profile: EstProfile | None) -> Problem:
    """Words and status for a failure; anything unknown is a 500 without detail."""
    match failure:
        case CredentialMissing() | WrongPassword():
            return _unauthorized(
                "The request carries no credential that opens this profile.", profile
            )
        case CertificateRefused():
            return _certificate_refused(failure, profile)
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
            return Problem(
                status=400,
                what=f"{_MALFORMED.get(failure.reason, failure.reason)}{_note(failure.note)}.",
                rule="The body is one PKCS#10 request (RFC 7030 §4.2.1, RFC 2986).",
                mend="Send it as base64, PEM or DER; try: openssl req -in device.csr -outform DER"
                " | base64.",
            )
        case ProxyHeaderRefused():
            return Problem(
                status=400,
                what=f"The proxy's {failure.header} header cannot be used: {failure.fault}.",
                rule="A trusted proxy names its client once and readably (RFC 9440, RFC 7239).",
                mend="Have the operator mend the proxy: docs/how-to/behind-a-proxy.md.",
            )
        case PolicyViolation():
            return Problem(
                status=403 if failure.dimension == "name" else 400,
                what=f"Not allowed here ({failure.dimension}): {shown(failure.got)}.",
                rule=f"The certificate profile wants: {shown(failure.wanted)}.",
                mend="Change the CSR, or ask the operator to change the certificate profile.",
            )
        case NotAllowed() | RateLimited() | Pending():
            return _not_granted(failure)
        case Unavailable():
            return Problem(
                status=503,
                what="The request cannot be completed now; nothing was issued for it.",
                rule="No certificate leaves before it is on record.",
                mend=f"Send the same request again in {failure.retry_after} seconds.",
                headers=(_retry_after(failure.retry_after),),
            )
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
    return Answer(
        status=problem.status, headers=(kind, *problem.headers), body=body, close=problem.close
    )


def not_found(operations: tuple[Operation, ...]) -> Problem:
    names = ", ".join(operations)
    return Problem(
        status=404,
        what="There is no such EST profile or operation.",
        rule=f"Operations here are: {names}." if names else "EST is not enabled on this server.",
        mend="Check the path: /.well-known/est/PROFILE/OPERATION, exactly and in lower case.",
    )


def wrong_method(allowed: str) -> Problem:
    return Problem(
        status=405,
        what="This method does not fit this operation.",
        rule=f"It takes: {allowed}.",
        mend="GET cacerts and csrattrs, POST everything else.",
        headers=((b"Allow", allowed.encode()),),
    )


def _retry_after(seconds: int) -> tuple[bytes, bytes]:
    return b"Retry-After", b"%d" % seconds


def _note(note: str) -> str:
    return f": {shown(note)}" if note else ""


def _unauthorized(what: str, profile: EstProfile | None) -> Problem:
    """RFC 7030 §3.2.3: every 401 carries a challenge, Basic first where Basic is open."""
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
    return Problem(
        status=401,
        what=what,
        rule="This profile needs authentication.",
        mend=f"Authenticate with {ways or 'a credential'}.",
        headers=(BASIC_CHALLENGE if basic else CERTIFICATE_CHALLENGE,),
    )


def _certificate_refused(failure: CertificateRefused, profile: EstProfile | None) -> Problem:
    problem = _unauthorized(_CERTIFICATE[failure.reason], profile)
    return Problem(
        status=problem.status,
        what=problem.what,
        rule=f"Client certificate: {failure.reason.replace('_', ' ')}.",
        mend=problem.mend,
        headers=problem.headers,
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


def _not_allowed(failure: NotAllowed) -> Problem:
    what, mend = _RENEWAL[failure.reason]
    compared = (
        f" It has {shown(failure.got)}, not {shown(failure.wanted)}." if failure.wanted else ""
    )
    return Problem(
        status=403,
        what=what + compared,
        rule=_RULES.get(failure.reason, _RENEWAL_RULE),
        mend=mend,
    )


_CERTIFICATE = {
    "missing": "No client certificate was shown.",
    "untrusted": "The client certificate is not one that opens this profile here.",
    "expired": "The client certificate has expired.",
    "not_yet_valid": "The client certificate is not valid yet.",
    "revoked": "The client certificate has been revoked.",
    "no_crl": "It cannot be told now whether the client certificate has been revoked.",
    "wrong_usage": "The client certificate is not meant for client authentication.",
    "other_profile": "The client certificate was not issued for this profile.",
}

_MALFORMED = {
    "empty": "The body is empty",
    "not_base64": "The body is not base64, PEM or DER",
    "not_pkcs10": "The body is not a PKCS#10 request",
    "trailing_bytes": "There are octets after the request",
    "ber": "The request is BER, not DER",
    "attribute": "An attribute of the request is malformed",
    "extension": "A requested extension is malformed",
}

_RENEWAL_RULE = "A renewal keeps subject and subjectAltName of what it renews (RFC 7030 §4.2.2)."
_KEY_RULE = "REENROLL_KEY of the profile says whether a renewal changes the key."

_IDENTITY_RULE = "IDENTITY_BINDING of the profile ties the CSR to the client certificate shown."
_RULES = {
    "key_not_new": _KEY_RULE,
    "key_changed": _KEY_RULE,
    "identity_mismatch": _IDENTITY_RULE,
}

_RENEWAL = {
    "identity_mismatch": (
        "The CSR is not for the device that the client certificate names.",
        "Ask with the certificate of this very device, or copy its name into the CSR.",
    ),
    "subject_changed": (
        "The CSR's subject is not that of the certificate shown.",
        "Copy the subject of the present certificate into the CSR, or enroll anew.",
    ),
    "san_changed": (
        "The CSR's subjectAltName is not that of the certificate shown.",
        "Copy the subjectAltName of the present certificate into the CSR, or enroll anew.",
    ),
    "key_not_new": (
        "The CSR's key is that of the certificate it renews.",
        "Make a new key for this renewal.",
    ),
    "key_changed": (
        "The CSR's key is not that of the certificate it renews.",
        "Renew with the present key, or enroll anew.",
    ),
    "nothing_to_renew": (
        "There is no valid certificate with this subject and subjectAltName to renew.",
        "Use simpleenroll for a first certificate.",
    ),
}

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
        mend="After the handshake, put base64 of the connection's tls-exporter (RFC 9266), or of"
        " tls-unique on TLS 1.2, into challengePassword.",
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

# For the page of refusals and its test.
CERTIFICATE_REASONS = tuple(_CERTIFICATE)
MALFORMED_REASONS = tuple(_MALFORMED)
RENEWAL_REASONS = tuple(_RENEWAL)
