"""What a refusal on record means: the rule it broke and how to mend it, as the device was told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from certctl.domain.audit import AuditAction, Outcome
from certctl.domain.errors import PolicyViolation
from certctl.web.api.audit import EventOut
from certctl.web.problems import problem_of
from certctl.web.refusal_samples import SAMPLE_PROFILE, samples
from certctl.web.refusal_words import POLICY


class Remedy(NamedTuple):
    rule: str
    mend: str


def remedy_of(event: EventOut) -> Remedy | None:
    """None: it is no refusal, or one that says all by itself."""
    if event.outcome is not Outcome.FAILURE:
        return None
    dimension = str(event.details.get("dimension", ""))
    if event.action == AuditAction.CSR_POLICY_VIOLATION and dimension in POLICY:
        wanted, got = (str(event.details.get(name, "")) for name in ("wanted", "got"))
        problem = problem_of(PolicyViolation(dimension, wanted=wanted, got=got), None)
        return Remedy(problem.rule, problem.mend)
    reason = str(event.details.get("reason", ""))
    known = _known()
    return known.get((event.action, reason)) or known.get((None, reason))


@cache
def _known() -> Mapping[tuple[str | None, str], Remedy]:
    found: dict[tuple[str | None, str], Remedy] = {}
    for failure in samples():
        problem = problem_of(failure, SAMPLE_PROFILE)
        action = failure.action.value if failure.action is not None else None
        found.setdefault((action, failure.reason), Remedy(problem.rule, problem.mend))
    return found
