"""One certificate profile as people write it, read field by field; every fault is kept.

The written form is a table of TOML or a JSON object with the names of policy §1. What
comes out is plain values of the right type; ``certificate_profiles`` makes a
``CertificateProfile`` of them. A field nobody knows is a fault: a rule that is misspelt
must not be a rule that is missing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, cast

from certctl.settings.findings import Finding, shown

T = TypeVar("T")

MAX_ITEMS = 64
"""In each list of a profile."""


class Unfit(Exception):
    """A value that a field cannot take."""

    def __init__(self, problem: str, *, allowed: str, remedy: str = "mend it") -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed
        self.remedy = remedy


class Form:
    """A written table under examination; ``findings`` grows as fields are read.

    Args:
        source: where it was written: a path, or ``certificate profile ID``.
        table: field names and values.
    """

    def __init__(self, source: str, table: Mapping[str, object]) -> None:
        self.findings: list[Finding] = []
        self._source = source
        self._table = table
        self._within = ""

    def refuse(
        self, field: str, problem: str, *, came: object = None, allowed: str = "", remedy: str
    ) -> None:
        self.findings.append(
            Finding(
                variable=self._source,
                problem=f"{self._within}{field}: {problem}" if field else problem,
                remedy=remedy,
                came="" if came is None else shown(_written(came)),
                allowed=allowed,
                field=f"{self._within}{field.partition(',')[0]}",
            )
        )

    def only(self, known: Collection[str]) -> None:
        """Refuse every field that is not among ``known``."""
        for field in self._table:
            if field not in known:
                near = difflib.get_close_matches(field, known, n=1)
                self.refuse(
                    shown(field),
                    "unknown field",
                    allowed=", ".join(sorted(known)),
                    remedy=f"did you mean {near[0]}?" if near else "remove it",
                )

    def text(self, field: str, default: str, *, most: int) -> str:
        value = self._table.get(field, default)
        if isinstance(value, str) and len(value) <= most and value.isprintable():
            return value
        self.refuse(
            field,
            "not such a text",
            came=value,
            allowed=f"printable text of at most {most} characters",
            remedy="mend it",
        )
        return default

    def switch(self, field: str, *, default: bool) -> bool:
        value = self._table.get(field, default)
        if isinstance(value, bool):
            return value
        self.refuse(field, "not a switch", came=value, allowed="true, false", remedy="mend it")
        return default

    def number(self, field: str, default: int, *, least: int, most: int) -> int:
        value = self._table.get(field, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(
            field,
            "not such a number",
            came=value,
            allowed=f"whole numbers from {least} to {most}",
            remedy="mend it",
        )
        return default

    def choice(self, field: str, default: str, *, among: Collection[str]) -> str:
        value = self._table.get(field, default)
        if isinstance(value, str) and value in among:
            return value
        self.refuse(
            field,
            "not one of the choices",
            came=value,
            allowed=", ".join(among),
            remedy="choose one of them",
        )
        return default

    def items(
        self, field: str, default: tuple[T, ...], read: Callable[[object], T]
    ) -> tuple[T, ...]:
        """A list whose members ``read`` understands or refuses with ``Unfit``."""
        if field not in self._table:
            return default
        value = self._table[field]
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            self.refuse(
                field,
                "not such a list",
                came=value,
                allowed=f"a list of at most {MAX_ITEMS} entries",
                remedy="write it in square brackets",
            )
            return default
        return tuple(
            found
            for place, each in enumerate(value, 1)
            if (found := self.attempt(f"{field}, entry {place}", each, read)) is not None
        )

    def table(self, field: str) -> Mapping[str, object]:
        """A table inside this one; empty when it is not written."""
        value = self._table.get(field, {})
        if isinstance(value, dict) and len(value) <= MAX_ITEMS:
            return cast("Mapping[str, object]", value)
        self.refuse(
            field,
            "not such a table",
            came=value,
            allowed=f"a table of at most {MAX_ITEMS} entries",
            remedy=f"write it as a table [{field}]",
        )
        return {}

    def nested(self, field: str) -> Form:
        """A table inside this one as a form; its faults are this one's."""
        inner = Form(self._source, self.table(field))
        inner.findings = self.findings
        inner._within = f"{self._within}{field}."
        return inner

    def attempt(self, field: str, value: object, read: Callable[[object], T]) -> T | None:
        """``read(value)``, or None and a finding."""
        try:
            return read(value)
        except Unfit as err:
            self.refuse(
                field, err.problem, came=_written(value), allowed=err.allowed, remedy=err.remedy
            )
            return None


def text_of(value: object, *, allowed: str) -> str:
    """The value, which must be text.

    Raises:
        Unfit: it is something else.
    """
    if not isinstance(value, str):
        raise Unfit("not text", allowed=allowed, remedy="write it in quotes")
    return value


def _written(value: object) -> str:
    return value if isinstance(value, str) else str(value)
