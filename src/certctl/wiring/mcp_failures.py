"""How a tool of MCP fails when the server it asked said no, near or far: the one table."""

from __future__ import annotations

from certctl.client.answers import octets_of
from certctl.client.failures import (
    BadAnswer,
    BadInput,
    ClientFailure,
    Refused,
    TlsFailed,
    Unreachable,
)
from certctl.client.http import Answer
from certctl.mcp.backend import EstAnswer, ToolFailure

UNAUTHORIZED = "unauthorized"

_CODES = {401: UNAUTHORIZED, 403: "forbidden", 404: "not_found", 429: "rate_limited"}


def tool_failure(failure: ClientFailure) -> ToolFailure:
    """What the client of a server met, for whoever called the tool."""
    match failure:
        case Refused():
            words = failure.words
            remedy = words.remedy or failure.remedy
            return ToolFailure(
                _CODES.get(failure.status, "refused" if failure.status < 500 else "server_failed"),
                failure.what,
                remedy=remedy,
                request_id=words.request_id,
                said=tuple(line for line in words.lines if line != remedy),
            )
        case Unreachable():
            error = "unreachable"
        case TlsFailed():
            error = "tls_failed"
        case BadInput():
            error = "bad_input"
        case BadAnswer():
            error = "bad_answer"
        case _:
            error = "failed"
    return ToolFailure(error, failure.what, remedy=failure.remedy)


def est_answer(answer: Answer, asked: str) -> EstAnswer:
    """What came of an EST operation.

    Raises:
        Refused: it is no 200, 202 or 204.
        BadAnswer: what came is not base64.
    """
    words = answer.words
    match answer.status:
        case 200:
            return EstAnswer(
                status=200, octets=octets_of(answer.body, asked), request_id=words.request_id
            )
        case 202 | 204:
            return EstAnswer(
                status=answer.status,
                retry_after=answer.retry_after,
                said=words.lines,
                request_id=words.request_id,
            )
        case _:
            raise answer.refused(asked)
