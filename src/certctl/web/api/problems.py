"""Refusals of the API: problem details (RFC 9457) that keep the fields of old clients.

``error``, ``message`` and ``request_id`` are those of the original's answers; ``rule`` and
``remedy`` are as in the answers of EST. The one table from failures to statuses is here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from certctl.domain.errors import (
    CommandRefused,
    Conflict,
    Failure,
    KeyReused,
    NotFound,
    TrustRefused,
    Unavailable,
)
from certctl.domain.plain_text import shown
from certctl.web.answers import Answer, Headers

PROBLEM_JSON = "application/problem+json"
CHALLENGE = (b"WWW-Authenticate", b'Bearer realm="certctl"')

SAFE_HEADERS: Headers = (
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
)
API_POLICY = (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """One part of a request that cannot be used: where it is, and why."""

    field: str
    problem: str


class ApiRefused(Exception):
    """A request is refused at the edge, before or instead of any use case.

    ``error`` is a code for programs; ``message``, ``rule`` and ``remedy`` are sentences.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error: str = "",
        rule: str = "",
        remedy: str = "",
        headers: Headers = (),
        faults: Sequence[FieldFault] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error = error or HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
        self.rule = rule
        self.remedy = remedy
        self.headers = headers
        self.faults = tuple(faults)


def problem_answer(refused: ApiRefused, request_id: str) -> Answer:
    """The whole answer, headers included."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": " ".join(filter(None, (refused.message, refused.rule, refused.remedy))),
        "error": refused.error,
        "message": refused.message,
        "request_id": request_id,
    }
    body |= {
        name: text for name, text in (("rule", refused.rule), ("remedy", refused.remedy)) if text
    }
    if refused.faults:
        body["errors"] = [
            {"field": shown(each.field), "problem": each.problem} for each in refused.faults
        ]
    return Answer(
        status=refused.status,
        headers=(
            (b"Content-Type", PROBLEM_JSON.encode()),
            (b"X-Request-Id", request_id.encode()),
            *SAFE_HEADERS,
            API_POLICY,
            *refused.headers,
        ),
        body=json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        # What is left of a body nobody reads must not be taken for the next request.
        close=refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def refusal_of(failure: Failure) -> ApiRefused:
    """Words and status for a failure of the authority or the store."""
    match failure:
        case NotFound():
            return ApiRefused(404, f"There is no {shown(failure.what)}.", error="not_found")
        case KeyReused():
            return ApiRefused(
                422,
                "This Idempotency-Key came with another request before.",
                error=failure.reason,
                remedy="Use a new key for a new request.",
            )
        case Conflict():
            return ApiRefused(409, f"Not done: {shown(failure.what)}.", error="conflict")
        case CommandRefused(reason="role" | "scope" | "not_for_keys"):
            return ApiRefused(
                403,
                "This key does not cover this.",
                error="forbidden",
                rule=f"It needs the role {failure.wanted}." if failure.wanted else "",
            )
        case CommandRefused():
            return unauthorized("This API key opens nothing here.")
        case TrustRefused():
            status = {"no_bundle": 409, "bundle": 422}.get(failure.reason, 503)
            return ApiRefused(
                status,
                f"The trust bundle was not reloaded: {shown(failure.problem)}.",
                error=f"trust_{failure.reason}",
                rule="The anchors that were in force stay in force.",
                remedy=_sentence(failure.remedy),
            )
        case Unavailable():
            return ApiRefused(
                503,
                "This cannot be done now; nothing has changed.",
                error=failure.reason,
                remedy=f"Try again in {failure.retry_after} seconds.",
                headers=((b"Retry-After", b"%d" % failure.retry_after),),
            )
        case _:
            return internal_error()


def _sentence(text: str) -> str:
    return f"{shown(text[:1].upper() + text[1:])}."


def unauthorized(message: str) -> ApiRefused:
    return ApiRefused(
        401,
        message,
        error="unauthorized",
        rule="The management API needs a key.",
        remedy="Send Authorization: Bearer KEY; certctl-server keys create makes one.",
        headers=(CHALLENGE,),
    )


def internal_error() -> ApiRefused:
    """For whatever is a fault of ours: no detail leaves, the log has it all."""
    return ApiRefused(
        500,
        "The server failed on this request.",
        error="internal_error",
        remedy="Give the operator the request id.",
    )


def not_found() -> ApiRefused:
    return ApiRefused(
        404,
        "There is nothing at this path.",
        error="not_found",
        remedy="See /api/docs for what there is.",
    )


def wrong_method(allowed: Sequence[str]) -> ApiRefused:
    methods = ", ".join(sorted({*allowed, *(("HEAD",) if "GET" in allowed else ())}))
    return ApiRefused(
        405,
        "This path does not take this method.",
        error="method_not_allowed",
        remedy=f"It takes: {methods}.",
        headers=((b"Allow", methods.encode()),),
    )
