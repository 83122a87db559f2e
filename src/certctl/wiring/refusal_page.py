"""The page of all refusals, made from the code: ``python -m certctl.wiring.refusal_page``.

``docs/reference/refusals.md`` is its output; a test holds the two together, and another
one that no failure and no reason is left out.
"""

from __future__ import annotations

import sys

from certctl.domain.errors import (
    CredentialMissing,
    Failure,
    InProgress,
    Pending,
)
from certctl.tls.refusals import REFUSALS, Refusal
from certctl.web.problems import problem_of
from certctl.web.refusal_samples import SAMPLE_PROFILE, samples

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
    problem = problem_of(failure, SAMPLE_PROFILE)
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
