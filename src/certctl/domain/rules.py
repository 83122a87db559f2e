"""The rules of the gates by name, and how a gate judges by them (est §2).

The gates run each rule inside a ``Judge``. ``strict`` lets every refusal through: that is
how requests are served. A ``Collector`` notes what was found and goes on: that is how a
request is explained (operator §1), by the very same functions, so neither can drift from
the other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Final

from certctl.domain.errors import Failure


class Rule(StrEnum):
    """Every rule after method, route and size, in the order in which requests meet them."""

    AUTHENTICATION = "authentication"
    BODY = "body"
    SIGNATURE = "signature"
    CHANNEL_BINDING = "channel_binding"
    CERTIFICATE_PROFILE = "certificate_profile"
    IDENTITY = "identity"
    RENEWAL = "renewal"
    NEW_NAMES = "new_names"
    READABLE_NAMES = "readable_names"
    EXTENSIONS = "extensions"
    ATTRIBUTES = "attributes"
    KEY = "key"
    SUBJECT = "subject"
    SAN = "san"
    SAN_PATTERNS = "san_patterns"
    SUBJECT_PATTERNS = "subject_patterns"
    SUBJECT_BASES = "subject_bases"
    NAME_CONSTRAINTS = "name_constraints"
    KNOWN_WEAK_KEY = "known_weak_key"
    DEVICE_STATE = "device_state"
    CREDENTIAL_STILL_GOOD = "credential_still_good"
    REPETITION = "repetition"
    KEY_ON_RECORD = "key_on_record"
    RENEWED_STILL_GOOD = "renewed_still_good"
    LIMIT = "limit"
    APPROVAL = "approval"
    ISSUER = "issuer"
    LINT = "lint"


Judge = Callable[[Rule], AbstractContextManager[None]]
"""``with judge(rule): …`` around what may refuse by that rule."""


class Verdict(StrEnum):
    """What became of a rule for one request."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule and one request.

    Attributes:
        failure: what a device would be refused with; only with ``FAILED``.
        note: why it was not judged, or what it was that passed.
    """

    rule: Rule
    verdict: Verdict
    failure: Failure | None = None
    note: str = ""


class _Strict:
    """Does nothing: a refusal leaves the gate as it was raised."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


_STRICT: Final = _Strict()


def strict(rule: Rule) -> AbstractContextManager[None]:  # noqa: ARG001 - a Judge's signature
    """The judge of every request that is served."""
    return _STRICT


@dataclass(slots=True)
class Collector:
    """The judge of a request that is explained: notes each verdict and never raises.

    A rule that refuses once stays refused, whatever a later gate finds in judging it again.
    """

    _findings: dict[Rule, Finding] = field(default_factory=dict)

    def __call__(self, rule: Rule) -> AbstractContextManager[None]:
        return _Judging(self, rule)

    def passed(self, rule: Rule, note: str = "") -> None:
        """It holds, unless it has been refused before."""
        known = self._findings.get(rule)
        if known is None or (known.verdict is Verdict.PASSED and note):
            self._findings[rule] = Finding(rule=rule, verdict=Verdict.PASSED, note=note)

    def failed(self, rule: Rule, failure: Failure) -> None:
        known = self._findings.get(rule)
        if known is None or known.verdict is Verdict.PASSED:
            self._findings[rule] = Finding(rule=rule, verdict=Verdict.FAILED, failure=failure)

    def not_judged(self, rule: Rule, why: str) -> None:
        """Whatever was found: it says nothing about the request that will come."""
        self._findings[rule] = Finding(rule=rule, verdict=Verdict.NOT_JUDGED, note=why)

    def verdict(self, rule: Rule) -> Verdict | None:
        """None: nothing has judged by it yet."""
        found = self._findings.get(rule)
        return found.verdict if found is not None else None

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """In the order of the rules."""
        return tuple(each for each in self.findings("") if each.verdict is Verdict.FAILED)

    def findings(self, otherwise: str) -> tuple[Finding, ...]:
        """One for every rule, in their order; ``otherwise`` is why the rest was not judged."""
        return tuple(
            self._findings.get(rule)
            or Finding(rule=rule, verdict=Verdict.NOT_JUDGED, note=otherwise)
            for rule in Rule
        )


@dataclass(frozen=True, slots=True)
class _Judging:
    collector: Collector
    rule: Rule

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            self.collector.passed(self.rule)
        elif isinstance(error, Failure):
            self.collector.failed(self.rule, error)
            return True
        return False
