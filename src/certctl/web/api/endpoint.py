"""One row of the API's table: everything the guard, the document and the tests know of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from certctl.domain.api_keys import Role

PREFIX = "/api/v1"

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A method of a path.

    Attributes:
        path: below ``prefix``, with ``{names}``.
        role: what a key must at least have; None is open to everybody.
        whole: only for keys that see all tenants and profiles.
        answer: the model of the body; None where it is no JSON.
        media_type: of the answer.
        example: of a request's body, for the document.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
    role: Role | None
    whole: bool = False
    answer: Any = None
    status: int = 200
    media_type: str = "application/json"
    example: dict[str, object] | None = None
    tag: str = ""
    prefix: str = PREFIX

    @property
    def full_path(self) -> str:
        return self.prefix + self.path

    @property
    def is_write(self) -> bool:
        return self.method in WRITES


@dataclass(frozen=True, slots=True)
class _Pattern:
    expression: re.Pattern[str]
    methods: dict[str, Endpoint] = field(default_factory=dict)


class Table:
    """Finds the endpoint of a request; the first pattern that fits a path has it."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._patterns: dict[str, _Pattern] = {}
        # Spelled-out paths before those with a name in them.
        for each in sorted(endpoints, key=lambda each: each.path.count("{")):
            found = self._patterns.get(each.full_path)
            if found is None:
                text = re.sub(r"\{\w+\}", "[A-Za-z0-9._~-]{1,128}", each.full_path)
                found = self._patterns[each.full_path] = _Pattern(re.compile(text))
            found.methods[each.method] = each

    def methods(self, path: str) -> dict[str, Endpoint]:
        """What a path takes, by method; empty where there is nothing."""
        for pattern in self._patterns.values():
            if pattern.expression.fullmatch(path):
                return pattern.methods
        return {}
