"""What the operator gave, parsed: the step between names with texts and typed settings.

Every name is resolved and every value parsed here, once; what fails is reported and its
default stands in, so that the later checks can go on and find the other faults too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from certctl.settings.catalogue.est import EST_PROFILES
from certctl.settings.catalogue.events import WEBHOOKS
from certctl.settings.catalogue.issuing import ISSUERS
from certctl.settings.catalogue.server import ALLOW_UNKNOWN
from certctl.settings.envfile import Written
from certctl.settings.findings import Report, shown, shown_path
from certctl.settings.later import PROBLEM, refuse_later
from certctl.settings.names import (
    FILE_SUFFIX,
    Names,
    Target,
    is_later_connector,
    is_left_alone,
    is_original_only,
    unlisted_owner,
)
from certctl.settings.secret import SecretSource, SecretUnreadable, read_secret_file
from certctl.settings.variable import DEFAULT_ISSUER, PREFIX, Scope, Variable

T = TypeVar("T")

NOT_SHOWN = "(a secret, not shown)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Occurrence:
    """One name with its text, before it is known to be the only one of its setting."""

    name: str
    written: Written = field(repr=False)
    from_file: bool


@dataclass(slots=True, kw_only=True)
class Given:
    """Parsed values by (variable, owner); the owner of single variables is empty."""

    report: Report
    directory: Path
    values: dict[tuple[Variable[Any], str], object] = field(default_factory=dict, repr=False)
    names: dict[tuple[Variable[Any], str], str] = field(default_factory=dict)
    faulty: set[tuple[Variable[Any], str]] = field(default_factory=set)

    def value(self, variable: Variable[T], owner: str = "") -> T:
        """The parsed value, or the default where it is unset or faulty."""
        return cast("T", self.values.get((variable, owner), variable.default))

    def path(self, variable: Variable[Path | None], owner: str = "") -> Path | None:
        """Like ``value`` for paths, made absolute."""
        path = self.value(variable, owner)
        return None if path is None else self.directory / path

    def is_set(self, variable: Variable[Any], owner: str = "") -> bool:
        """Given at all, rightly or wrongly."""
        return (variable, owner) in self.names

    def sound(self, owner: str, *variables: Variable[Any]) -> bool:
        """None of them is faulty, so a check across them says something."""
        return not any((variable, owner) in self.faulty for variable in variables)

    def name(self, variable: Variable[Any], owner: str = "") -> str:
        """The full name as the operator wrote it, or as it would be written."""
        return self.names.get((variable, owner)) or variable.full_name(owner)

    def refuse(
        self,
        variable: Variable[Any],
        owner: str,
        problem: str,
        remedy: str,
        *,
        came: str = "",
        allowed: str = "",
    ) -> None:
        """A fault of this variable; the owner is named in the problem."""
        self.report.refuse(
            self.name(variable, owner),
            f"{owner_text(variable, owner)}{problem}",
            remedy,
            came=came,
            allowed=allowed,
        )

    def warn(self, variable: Variable[Any], owner: str, problem: str, remedy: str) -> None:
        self.report.warn(
            self.name(variable, owner), f"{owner_text(variable, owner)}{problem}", remedy
        )


def read_given(written: Mapping[str, Written], directory: Path, report: Report) -> Given:
    """Resolve and parse all names (full, ``CERTCTL_…``); empty texts count as unset."""
    given = Given(report=report, directory=directory)
    filled = {
        name.removeprefix(PREFIX): value for name, value in written.items() if value.text.strip()
    }
    profiles = _listed(filled, EST_PROFILES)
    issuers = _listed(filled, ISSUERS) or (DEFAULT_ISSUER,)
    names = Names.of(profiles, issuers, _listed(filled, WEBHOOKS))
    unknown = []
    occurrences: dict[tuple[Variable[Any], str], list[_Occurrence]] = {}
    for name, value in filled.items():
        target = names.target(name)
        if target is None:
            unknown.append((name, value))
        else:
            _note(occurrences, name, value, target)
    for (variable, owner), found in occurrences.items():
        given.names[variable, owner] = f"{PREFIX}{found[0].name}"
        if _only_one(found, given):
            _parse(variable, owner, found[0], given)
        else:
            given.faulty.add((variable, owner))
    for name, value in unknown:
        _judge_unknown(name, value, names, given)
    return given


def owner_text(variable: Variable[Any], owner: str) -> str:
    """``profile "corp": `` or the like, to stand before a problem."""
    if variable.scope is Scope.SERVER:
        return ""
    return f'{variable.scope} "{owner}": '


def _listed(filled: Mapping[str, Written], variable: Variable[tuple[str, ...]]) -> tuple[str, ...]:
    value = filled.get(variable.name)
    if value is None:
        return ()
    return tuple(item.strip().lower() for item in value.text.split(",") if item.strip())


def _note(
    occurrences: dict[tuple[Variable[Any], str], list[_Occurrence]],
    name: str,
    value: Written,
    target: Target,
) -> None:
    occurrences.setdefault((target.variable, target.owner), []).append(
        _Occurrence(name=name, written=value, from_file=target.from_file)
    )


def _only_one(found: list[_Occurrence], given: Given) -> bool:
    first, *others = found
    for other in others:
        if first.from_file != other.from_file:
            problem = "the secret is given both directly and as a file"
        elif first.written.text == other.written.text:
            continue
        else:
            problem = "two spellings of one setting have different values"
        given.report.refuse(
            f"{PREFIX}{first.name}",
            f"{problem}: {PREFIX}{other.name} is set too",
            "keep one of the two and unset the other",
        )
        return False
    return True


def _parse(variable: Variable[Any], owner: str, found: _Occurrence, given: Given) -> None:
    name = f"{PREFIX}{found.name}"
    text = found.written.text
    came = NOT_SHOWN if variable.secret else shown(text)
    try:
        if found.from_file:
            came = shown_path(text)
            path = given.directory / text.strip()
            if variable.deferred:
                value: object = SecretSource(path=path)
            else:
                value = variable.kind.read(read_secret_file(path).reveal())
        else:
            value = variable.kind.read(text if variable.secret else text.strip())
    except SecretUnreadable as err:
        problem = f"its file cannot be used: {err}"
        allowed = "the path of a readable file that holds the secret and nothing else"
        remedy = f"mend the file, or give the secret as {name.removesuffix(FILE_SUFFIX)}"
    except ValueError as err:
        problem = str(err)
        allowed = variable.kind.allowed
        remedy = "set it to what is allowed, or unset it"
        if text.startswith("tcp://"):
            remedy = "Kubernetes set it: put enableServiceLinks: false into the pod's spec"
    else:
        given.values[variable, owner] = value
        if refuse_later(variable, value, name=name, report=given.report):
            given.faulty.add((variable, owner))
        return
    given.faulty.add((variable, owner))
    if found.written.origin:
        came = f"{came}, {found.written.origin}"
    given.refuse(variable, owner, problem, remedy, came=came, allowed=allowed)


def _judge_unknown(name: str, value: Written, names: Names, given: Given) -> None:
    """Say what an unknown name is; its value is never shown, for it may be a secret."""
    full = f"{PREFIX}{name}"
    came = value.origin
    if is_left_alone(name):
        return
    if is_later_connector(name):
        given.report.refuse(full, PROBLEM, "unset it", came=came)
        return
    if is_original_only(name):
        given.report.warn(full, "has no effect here", "unset it")
        return
    nearest = names.nearest(name)
    why = unlisted_owner(name)
    problem = f"unknown name: {why}" if why else "unknown name"
    remedy = f"did you mean {nearest}? Else unset it" if nearest else "unset it"
    if given.value(ALLOW_UNKNOWN):
        given.report.warn(full, problem, remedy, came=came)
    else:
        given.report.refuse(
            full,
            problem,
            f"{remedy}; {ALLOW_UNKNOWN.full_name()}=true turns this into a warning",
            came=came,
        )
