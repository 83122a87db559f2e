"""Regular expressions of certificate profiles, matched in linear time (google-re2).

An expression comes from an operator, the text from an attacker: no pair of them may
cost more than one step per character. An expression must match the whole text, so a
forgotten anchor makes a rule stricter, never laxer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from certctl.domain.san import GeneralName, SanKind

MAX_EXPRESSION = 512
"""Characters."""

MAX_PATTERNS = 64
"""Per list of a profile."""

# Octets for one compiled expression and its automaton; beyond them compiling fails.
_MEMORY = 1 << 20

# "Says so" means that the asterisk itself is written, as the whole first label.
_WILDCARDS = ("\\*\\.", "[*]\\.", "\\*[.]", "[*][.]")


class BadExpression(ValueError):
    """No regular expression, one that needs looking back, or one that is too large."""


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Any:
    """The automaton of an expression (RE2 syntax).

    Raises:
        BadExpression: it does not compile; the text says why.
    """
    if len(expression) > MAX_EXPRESSION:
        raise BadExpression(f"longer than {MAX_EXPRESSION} characters")
    try:
        return re2.compile(expression, _options())
    except re2.error as err:
        text = err.args[0] if err.args else ""
        raise BadExpression(
            text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        ) from err
    except UnicodeEncodeError as err:
        raise BadExpression("not encodable as UTF-8") from err


def matches(expression: str, text: str) -> bool:
    """Whether the expression matches all of ``text``."""
    try:
        # As octets: given text, the library counts characters that nobody asks for.
        return bool(_matcher(expression)(text.encode()))
    except UnicodeEncodeError:
        return False  # a lone surrogate is no character that a rule could mean


@lru_cache(maxsize=1024)
def _matcher(expression: str) -> Callable[[bytes], object]:
    """Gives something true for octets that the expression matches as a whole.

    A set of this one expression tells whether and not where, in a quarter of the time. It
    has no second way where its automaton needs more memory than it may have, and then says
    no: so its no is asked again of the expression itself.
    """
    regexp = compiled(expression)
    alone = re2.Set.FullMatchSet(_options())
    try:
        alone.Add(expression)
        alone.Compile()
    except re2.error:
        return regexp.fullmatch  # type: ignore[no-any-return]
    return lambda octets: alone.Match(octets) or regexp.fullmatch(octets)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    # Whether it matches is all that is asked, and finding groups costs as much again.
    options.never_capture = True
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class SanPattern:
    """What a subjectAltName of one kind may look like; written ``kind:expression``."""

    kind: SanKind
    expression: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.expression}"

    @property
    def allows_wildcard(self) -> bool:
        """It writes the asterisk of ``*.example.com`` itself; ``.*`` does not."""
        return self.kind is SanKind.DNS and self.expression.removeprefix("^").startswith(_WILDCARDS)

    def fits(self, name: GeneralName) -> bool:
        if name.kind is not self.kind:
            return False
        if name.kind is SanKind.DNS and "*" in name.value and not self.allows_wildcard:
            return False
        return matches(self.expression, name.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPattern:
    """What each value of one subject attribute (dotted OID) must look like."""

    oid: str
    expression: str
