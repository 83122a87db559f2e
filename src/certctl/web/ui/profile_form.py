"""Certificate profiles as forms: each field as text, and back to the written form.

Lists are written one entry a line. What a field says is judged where every profile is
judged (``settings.certificate_profiles``), never here: what is no number stays text and is
refused there with its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple, cast

from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile, LintMode
from certctl.settings.certificate_profiles import CertificateProfilesRefused, profile_of_document
from certctl.settings.profile_fields import FIELD_NAMES
from certctl.settings.profile_written import written
from certctl.web.api.problems import FieldFault


class Kind(StrEnum):
    """How a field is shown and typed."""

    TEXT = "text"
    SWITCH = "switch"
    NUMBER = "number"
    LINT = "choice"
    LINES = "lines"
    KEYS = "keys"
    PAIRS = "pairs"


class Group(NamedTuple):
    title: str
    fields: Mapping[str, Kind]


CONSTRAINTS: Final = "name_constraints"

GROUPS: Final = (
    Group("About it", {"name": Kind.TEXT, "description": Kind.TEXT, "enabled": Kind.SWITCH}),
    Group(
        "Keys and purposes",
        {
            "allowed_key_algorithms": Kind.KEYS,
            "allowed_ekus": Kind.LINES,
            "allow_key_reuse": Kind.SWITCH,
            "must_staple": Kind.SWITCH,
        },
    ),
    Group(
        "Names",
        {
            "allowed_san_types": Kind.LINES,
            "required_san_patterns": Kind.LINES,
            "max_sans": Kind.NUMBER,
            "cn_as_san": Kind.SWITCH,
            "required_subject_patterns": Kind.PAIRS,
            "permitted_subject_bases": Kind.LINES,
            f"{CONSTRAINTS}.permitted": Kind.LINES,
            f"{CONSTRAINTS}.excluded": Kind.LINES,
        },
    ),
    Group(
        "Lifetime",
        {
            "max_ttl_seconds": Kind.NUMBER,
            "backdate_seconds": Kind.NUMBER,
            "ttl_jitter_percent": Kind.NUMBER,
        },
    ),
    Group(
        "Requests",
        {
            "required_csr_attributes": Kind.LINES,
            "requires_approval": Kind.SWITCH,
            "approvals_needed": Kind.NUMBER,
            "allow_subject_change": Kind.SWITCH,
            "lint": Kind.LINT,
        },
    ),
)

KINDS: Final[Mapping[str, Kind]] = {
    name: kind for group in GROUPS for name, kind in group.fields.items()
}

LINT_MODES: Final = tuple(mode.value for mode in LintMode)

_SHOWN_AS: Final = {Kind.KEYS: "one a line, such as ECDSA 256 or Ed25519"} | {
    Kind.PAIRS: "one a line, such as CN = sensor-[0-9]+"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of the page: what it means, what it says, and what is wrong with that."""

    name: str
    kind: Kind
    text: str
    meaning: str
    takes: str
    default: str
    faults: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        return self.text == self.default

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def texts(profile: CertificateProfile) -> dict[str, str]:
    """All fields of a profile as the form shows them."""
    document = written(profile)
    return {name: _text(kind, _inside(document, name)) for name, kind in KINDS.items()}


@cache
def defaults() -> Mapping[str, str]:
    """What the fields say where nothing is written."""
    return texts(DEFAULT_PROFILE)


def document_of(form: Mapping[str, str]) -> dict[str, object]:
    """What a form says, in the written form; fields that say their default are left out."""
    document: dict[str, object] = {}
    for name, kind in KINDS.items():
        text = "\n".join(_lines(form.get(name, "")))
        if text == defaults()[name]:
            continue
        outer, _, inner = name.partition(".")
        if inner:
            cast("dict[str, object]", document.setdefault(outer, {}))[inner] = _value(kind, text)
        else:
            document[name] = _value(kind, text)
    return document


def shows_all(profile: CertificateProfile) -> bool:
    """Whether people would see all of it and the form would give this very profile back. An
    expression that holds the end of a line or what turns the writing round would not.
    """
    shown = texts(profile)
    if not all(line.isprintable() for text in shown.values() for line in text.split("\n")):
        return False
    try:
        again = profile_of_document(profile.id, json.dumps(document_of(shown)))
    except CertificateProfilesRefused:
        return False
    return again == profile


def groups(
    shown: Mapping[str, str], faults: Iterable[FieldFault] = ()
) -> list[tuple[str, list[Field]]]:
    """The page's groups of fields, each fault at the field it belongs to."""
    told = list(faults)
    return [
        (
            group.title,
            [
                _field(name, kind, shown.get(name, ""), faults_of(name, told))
                for name, kind in group.fields.items()
            ],
        )
        for group in GROUPS
    ]


def faults_of(name: str, faults: Iterable[FieldFault]) -> tuple[str, ...]:
    return tuple(_told(each) for each in faults if _owner(each) == name)


def other_faults(faults: Iterable[FieldFault]) -> list[str]:
    """Those that belong to no field of the page."""
    return [each.problem for each in faults if _owner(each) is None]


def _owner(fault: FieldFault) -> str | None:
    place = fault.field.removeprefix("body.").removeprefix("document.")
    if place == "id" or place in KINDS:
        return place
    # An entry of a table, such as required_subject_patterns.CN, or the table itself.
    outer = place.partition(".")[0]
    if outer in KINDS:
        return outer
    return f"{CONSTRAINTS}.permitted" if outer == CONSTRAINTS else None


def _told(fault: FieldFault) -> str:
    """The fault without the field's name before it: it stands beside the field."""
    return fault.problem.removeprefix(_owner(fault) or "").lstrip(":,. ")


def _field(name: str, kind: Kind, text: str, faults: tuple[str, ...]) -> Field:
    field = FIELD_NAMES[name.partition(".")[0]]
    takes = field.written.replace("`", "")
    if kind is Kind.LINES:
        takes = f"one a line: {takes.removeprefix('list of ')}"
    if name.startswith(CONSTRAINTS):
        takes = "one a line: kind:subtree"
    return Field(
        name=name,
        kind=kind,
        text=text,
        meaning=field.meaning.replace("`", ""),
        takes=_SHOWN_AS.get(kind, takes),
        default=defaults()[name],
        faults=faults,
    )


def _inside(document: Mapping[str, object], name: str) -> object:
    outer, _, inner = name.partition(".")
    value = document[outer]
    return cast("Mapping[str, object]", value)[inner] if inner else value


def _text(kind: Kind, value: object) -> str:
    match kind:
        case Kind.SWITCH:
            return "true" if value else "false"
        case Kind.LINES:
            return "\n".join(map(str, cast("list[object]", value)))
        case Kind.KEYS:
            keys = cast("list[Mapping[str, object]]", value)
            return "\n".join(" ".join(map(str, each.values())) for each in keys)
        case Kind.PAIRS:
            pairs = cast("Mapping[str, str]", value).items()
            return "\n".join(f"{name} = {expression}" for name, expression in pairs)
        case _:
            return str(value)


def _value(kind: Kind, text: str) -> object:
    match kind:
        case Kind.SWITCH:
            return {"true": True, "false": False}.get(text, text)
        case Kind.NUMBER:
            return int(text) if _is_number(text) else text
        case Kind.LINES:
            return text.splitlines()
        case Kind.KEYS:
            return [_key(line) for line in text.splitlines()]
        case Kind.PAIRS:
            return dict(_pair(line) for line in text.splitlines())
        case _:
            return text


def _key(line: str) -> Mapping[str, object]:
    algorithm, _, size = line.rpartition(" ") if line[-1:].isdigit() else ("", "", "")
    if algorithm and _is_number(size):
        return {"algorithm": algorithm.strip(), "min_size": int(size)}
    return {"algorithm": line}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _pair(line: str) -> tuple[str, str]:
    keyword, _, expression = line.partition("=")
    return keyword.strip(), expression.strip()


def _lines(text: str) -> list[str]:
    """Without the white space that typing and pasting leave."""
    return [line for each in text.splitlines() if (line := each.strip())]
