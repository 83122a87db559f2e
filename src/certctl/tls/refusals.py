"""Answers that HTTP itself gives, before any application sees the request.

Three short lines of text each: what was wrong, the rule, how to mend it; then the request
id, as below EST. The words are constants: nothing of the request is repeated, so nothing
can be injected.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

STATUS_LINES: Final[Mapping[int, bytes]] = MappingProxyType(
    {
        status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode())
        for status in HTTPStatus
    }
)


class Refusal(StrEnum):
    """Why; the values are labels for metrics and logs."""

    MALFORMED = "malformed"
    HOST = "host"
    VERSION = "version"
    TRANSFER_CODING = "transfer_coding"
    CHUNK_FRAMING = "chunk_framing"
    CONNECT = "connect"
    UPGRADE_WITH_BODY = "upgrade_with_body"
    TRUNCATED = "truncated"
    PIPELINE = "pipeline"
    HEADER_TIMEOUT = "header_timeout"
    BODY_TIMEOUT = "body_timeout"
    BODY_TOO_LARGE = "body_too_large"
    URL_TOO_LONG = "url_too_long"
    HEAD_TOO_LARGE = "head_too_large"
    APPLICATION_FAILED = "application_failed"


REFUSALS: Final[Mapping[Refusal, tuple[int, str, str, str]]] = MappingProxyType(
    {
        Refusal.MALFORMED: (
            400,
            "The request is not well-formed HTTP.",
            "RFC 9112 is read strictly; Content-Length and Transfer-Encoding exclude each other.",
            "Send it with an HTTP/1.1 library.",
        ),
        Refusal.HOST: (
            400,
            "The request does not have exactly one Host header.",
            "RFC 9112 section 3.2 demands one in HTTP/1.1.",
            "Send the server's name in it.",
        ),
        Refusal.VERSION: (
            400,
            "The protocol version is not spoken here.",
            "This server reads HTTP/1.1 and HTTP/1.0.",
            "Send HTTP/1.1.",
        ),
        Refusal.TRANSFER_CODING: (
            400,
            "The transfer coding of the body is not understood.",
            "Only a single chunked, in HTTP/1.1, is.",
            "Send Content-Length or plain chunked.",
        ),
        Refusal.CHUNK_FRAMING: (
            400,
            "The chunked body has too much framing for its content.",
            "Chunk sizes, extensions and trailers are bounded.",
            "Send larger chunks or Content-Length.",
        ),
        Refusal.CONNECT: (
            400,
            "CONNECT asks for a tunnel.",
            "This server is not a proxy.",
            "Check the proxy settings of the client.",
        ),
        Refusal.UPGRADE_WITH_BODY: (
            400,
            "The request asks to change the protocol and has a body.",
            "No other protocol is spoken here.",
            "Leave out the Upgrade header.",
        ),
        Refusal.TRUNCATED: (
            400,
            "The request ended before it was complete.",
            "Content-Length or the chunks announced more.",
            "Send as many bytes as announced.",
        ),
        Refusal.PIPELINE: (
            400,
            "Too many requests wait on this connection.",
            "The number of pipelined requests is bounded.",
            "Wait for answers before sending more.",
        ),
        Refusal.HEADER_TIMEOUT: (
            408,
            "The request header did not arrive in time.",
            "A header that was begun has a time limit.",
            "Send it in one piece.",
        ),
        Refusal.BODY_TIMEOUT: (
            408,
            "The request body did not arrive in time.",
            "A body has a time limit in total.",
            "Send it faster.",
        ),
        Refusal.BODY_TOO_LARGE: (
            413,
            "The request body is too large.",
            "CERTCTL_MAX_BODY_SIZE, and CERTCTL_EST_MAX_BODY for EST, limit what is read.",
            "Send one request and nothing else.",
        ),
        Refusal.URL_TOO_LONG: (
            414,
            "The request target is too long.",
            "At most 2048 bytes are read.",
            "Send a shorter one.",
        ),
        Refusal.HEAD_TOO_LARGE: (
            431,
            "The request header is too large.",
            "At most 16384 bytes and 100 lines are read.",
            "Send fewer or shorter header fields.",
        ),
        Refusal.APPLICATION_FAILED: (
            500,
            "The server failed on this request.",
            "This is a fault of the server, not of the request.",
            "Give the operator the request id below.",
        ),
    }
)


def refusal_body(refusal: Refusal, request_id: str) -> bytes:
    """The text of an answer: three lines, then the id under which the log has it."""
    _, *lines = REFUSALS[refusal]
    return "".join(f"{line}\n" for line in (*lines, f"request-id: {request_id}")).encode("ascii")


def refusal_answer(refusal: Refusal, request_id: str) -> bytes:
    """The whole HTTP answer, header and body; the connection is closed after it."""
    body = refusal_body(refusal, request_id)
    return b"".join(
        (
            STATUS_LINES[REFUSALS[refusal][0]],
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: ",
            b"%d" % len(body),
            b"\r\nX-Request-Id: ",
            request_id.encode("ascii"),
            b"\r\nConnection: close\r\n\r\n",
            body,
        )
    )
