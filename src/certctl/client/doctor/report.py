"""What the doctor found: a verdict for each check, and the remedy for each finding."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """``note`` is worth knowing and no fault; ``skipped`` could not be looked at."""

    GOOD = "good"
    NOTE = "note"
    FINDING = "finding"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One outcome of one check. ``finding`` names it for programs, ``remedy`` mends it."""

    check: str
    verdict: Verdict
    text: str
    finding: str = ""
    remedy: str = ""


BEHIND_THE_CONNECTION = (
    "clock",
    "cacerts",
    "certificate",
    "csrattrs",
    "authentication",
    "dry enrollment",
    "revocation",
)
"""The checks that need what those before them have to find: somebody who answers."""


@dataclass(slots=True)
class Report:
    """All results in the order of the checks. ``ended`` says why the rest was not tried."""

    url: str
    results: list[Result] = field(default_factory=list)
    ended: str = ""

    @property
    def findings(self) -> list[Result]:
        return [each for each in self.results if each.verdict is Verdict.FINDING]

    def good(self, check: str, text: str) -> None:
        self.results.append(Result(check=check, verdict=Verdict.GOOD, text=text))

    def note(self, check: str, text: str) -> None:
        self.results.append(Result(check=check, verdict=Verdict.NOTE, text=text))

    def skipped(self, check: str, text: str) -> None:
        self.results.append(Result(check=check, verdict=Verdict.SKIPPED, text=text))

    def end(self, why: str) -> None:
        """Nothing more is tried: each check that is still to come says why."""
        self.ended = why
        seen = {each.check for each in self.results}
        for check in BEHIND_THE_CONNECTION:
            if check not in seen:
                self.not_tried(check)

    def not_tried(self, check: str) -> None:
        self.skipped(check, f"Not tried: {self.ended}.")

    def found(self, check: str, finding: str, text: str, remedy: str) -> None:
        self.results.append(
            Result(check=check, verdict=Verdict.FINDING, finding=finding, text=text, remedy=remedy)
        )

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "url": self.url,
            "healthy": not self.findings,
            "findings": len(self.findings),
            "results": [
                {name: str(value) for name, value in asdict(each).items()} for each in self.results
            ],
        }
