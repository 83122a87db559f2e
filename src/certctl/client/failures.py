"""What can go wrong for a client, and how each is mended.

ClientFailure
├── Unreachable      no connection: name, TCP, time
│   └── Silent       connected, and nothing came in time
├── TlsFailed        connected, and TLS or the server's certificate was not in order
├── Refused          the server answered, and not with what was asked for
├── StillPending     202: an operator decides first
├── BadAnswer        200, and the body is not what the RFC says
└── BadInput         a file or an argument of ours cannot be used

The text of a server is data from outside: it is escaped before anybody reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from certctl.domain.plain_text import escaped

MOST_LINES = 12
MOST_CHARACTERS = 400


class ClientFailure(Exception):
    """One sentence that says what came, and one that says how to go on."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def lines(self) -> list[str]:
        """What to show a person."""
        return [self.what, *([self.remedy] if self.remedy else [])]


class Unreachable(ClientFailure):
    """There is no connection to the server."""


class Silent(Unreachable):
    """The server took the connection and said nothing in time, or nothing more."""


class TlsFailed(ClientFailure):
    """The server is not who it should be, or speaks another TLS."""


class BadAnswer(ClientFailure):
    """The server said yes, and what it sent cannot be used."""


class BadInput(ClientFailure):
    """A file or an argument on our own side."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a server says of its refusal: lines for people, one of which may be known to be
    the remedy, and the request id if any.
    """

    lines: tuple[str, ...]
    request_id: str
    remedy: str = ""


class Refused(ClientFailure):
    """An answer other than the wanted one; ``status`` is that of HTTP."""

    def __init__(
        self, status: int, words: Words, *, asked: str, retry_after: int | None = None
    ) -> None:
        super().__init__(f"{asked} was answered with {status}.")
        self.status = status
        self.words = words
        self.retry_after = retry_after

    def lines(self) -> list[str]:
        told = [*self.words.lines]
        request_id = self.words.request_id
        if request_id and not any(request_id in line for line in told):
            told.append(f"request-id: {request_id}")
        return [self.what, *told, *([self.remedy] if self.remedy else [])]


class StillPending(Refused):
    """202: the request waits for an operator (RFC 7030 §4.2.3)."""

    def lines(self) -> list[str]:
        wait = f" Ask again in {self.retry_after} seconds." if self.retry_after else ""
        return [f"The request waits for approval.{wait}", *super().lines()[1:]]


def reason_of(err: BaseException) -> str:
    """Why there is no connection, as the system says it; without numbers of errors."""
    cause: BaseException | None = err
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "it did not answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return escaped(str(err))[:MOST_CHARACTERS] or type(err).__name__


def words_of(body: bytes, content_type: str, request_id: str) -> Words:
    """The lines of a refusal, from text or from a problem document (RFC 9457)."""
    text = body.decode("utf-8", "replace")
    remedy: object = ""
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        problem = _problem(text)
        remedy = problem.get("remedy")
        lines = _problem_lines(problem)
    elif content_type.startswith("text/html"):
        lines = []
    else:
        lines = text.splitlines()
    return Words(
        lines=tuple([_shown(line) for line in lines if line.strip()][:MOST_LINES]),
        request_id=escaped(request_id)[:64],
        remedy=_shown(remedy) if isinstance(remedy, str) else "",
    )


def _shown(line: str) -> str:
    return escaped(line)[:MOST_CHARACTERS]


def _problem(text: str) -> dict[str, Any]:
    try:
        problem = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _problem_lines(problem: Mapping[str, Any]) -> list[str]:
    message = problem.get("message") or problem.get("title") or problem.get("detail")
    lines = [message, problem.get("rule"), problem.get("remedy")]
    faults = problem.get("errors")
    if isinstance(faults, list):
        lines += [
            f"{each.get('field')}: {each.get('problem')}"
            for each in faults
            if isinstance(each, dict)
        ]
    return [line for line in lines if isinstance(line, str)]
