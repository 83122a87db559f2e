"""What is said about the settings: one ``Finding`` per fault, warning or note.

All faults of a start are collected and shown together, so that an operator mends them
in one go. A finding never holds the value of a secret; values from outside pass through
``shown`` so that nothing an environment holds can drive a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN_CHARACTERS = 200
"""Enough for a long path; more of a value helps nobody to recognise it."""


class Severity(StrEnum):
    """A refusal stops the start; a warning wants to be read; an info explains."""

    REFUSAL = "refused"
    WARNING = "warning"
    INFO = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about one variable.

    Attributes:
        variable: full name as the operator wrote it, ``CERTCTL_…`` (or the path of the
            configuration file, where the file itself is at fault).
        problem: what is wrong, without the value of any secret.
        remedy: what to do about it.
        came: what was given, made safe for a terminal; empty where it is a secret.
        allowed: what the variable takes.
        field: of a certificate profile: which of its fields is at fault, such as
            ``name_constraints.permitted``; empty where it is the whole.
    """

    variable: str
    problem: str
    remedy: str
    severity: Severity = Severity.REFUSAL
    came: str = ""
    allowed: str = ""
    field: str = ""

    def __str__(self) -> str:
        return f"{self.variable}: {self.problem}; {self.remedy}"


class SettingsRefused(Exception):
    """The settings cannot be used; ``findings`` holds every fault, ``warnings`` the rest."""

    def __init__(self, findings: Sequence[Finding], warnings: Sequence[Finding] = ()) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = tuple(findings)
        self.warnings = tuple(warnings)


@dataclass(slots=True, kw_only=True)
class Report:
    """Collects findings while the settings are read; used by one load, then dropped."""

    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def refuse(
        self, variable: str, problem: str, remedy: str, *, came: str = "", allowed: str = ""
    ) -> None:
        self.faults.append(
            Finding(variable=variable, problem=problem, remedy=remedy, came=came, allowed=allowed)
        )

    def warn(self, variable: str, problem: str, remedy: str, *, came: str = "") -> None:
        self.warnings.append(
            Finding(
                variable=variable,
                problem=problem,
                remedy=remedy,
                severity=Severity.WARNING,
                came=came,
            )
        )

    def note(self, variable: str, problem: str, remedy: str) -> None:
        self.warnings.append(
            Finding(variable=variable, problem=problem, remedy=remedy, severity=Severity.INFO)
        )


def shown(text: str) -> str:
    """A value from outside, quoted, cut and with control characters escaped.

    The user information of a URL is masked: people put passwords there.
    """
    scheme, separator, rest = text.partition("://")
    if separator and "@" in rest:
        text = f"{scheme}://***@{rest.rpartition('@')[2]}"
    cut = text[:SHOWN_CHARACTERS]
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in cut
    )
    return f'"{safe}"' if len(text) <= SHOWN_CHARACTERS else f'"{safe}…"'


def shown_path(text: str) -> str:
    """Like ``shown``, for the path of a secret's file.

    A password put into ``X_FILE`` by mistake must not be echoed, so only what is plainly
    a path is.
    """
    if text.startswith(("/", "./", "../")):
        return shown(text)
    return "(not shown: it does not begin with / or ./ and may be the secret itself)"
