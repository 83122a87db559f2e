"""Why there is no connection, in the system's words and without its numbers."""

from __future__ import annotations

import itertools

import pytest

from certctl.client.failures import reason_of


def chained(*errors: Exception) -> Exception:
    for outer, inner in itertools.pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


@pytest.mark.parametrize(
    ("err", "told"),
    [
        (chained(RuntimeError("outer"), OSError(111, "Connection refused")), "Connection refused"),
        (chained(RuntimeError("outer"), TimeoutError("timed out")), "it did not answer in time"),
        (RuntimeError("said\x1b[2J"), "said\\u001b[2J"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_the_first_cause_that_says_something_is_told(err: Exception, told: str):
    assert reason_of(err) == told
