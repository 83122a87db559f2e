"""One row of the settings table: a variable's name, kind, default and meaning.

The catalogue (``certctl.settings.catalogue``) is made of these; the reader, the lint and
the reference page all work from the same rows, so a setting cannot exist unparsed or
undocumented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

PREFIX = "CERTCTL_"
PROFILE_PREFIX = "EST_PROFILE_"
ISSUER_PREFIX = "ISSUER_"
WEBHOOK_PREFIX = "WEBHOOK_"

DEFAULT_ISSUER = "iss-local"
"""The local CA that exists when ``ISSUERS`` names none."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Scope(StrEnum):
    """Whether there is one of it, or one per EST profile, issuer or webhook."""

    SERVER = "server"
    PROFILE = "profile"
    ISSUER = "issuer"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T_co]):
    """What a variable takes.

    ``read`` turns the trimmed text into a value and raises ValueError with the problem
    in words. Its words may quote the text only in kinds that no secret has.
    """

    allowed: str
    read: Callable[[str], T_co]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable(Generic[T]):
    """One setting. Compared by identity: each row exists once.

    Attributes:
        name: without ``CERTCTL_``; for families the part after the infix.
        default: what holds when it is unset.
        default_text: the default in words, where the value does not read well.
        meaning: one line for the reference page.
        secret: its value is never shown, and ``<name>_FILE`` names a file that holds it.
        deferred: the secret's file is not read here; the value is a ``SecretSource``.
        short: for issuers: ``CERTCTL_<name>`` also works and means ``iss-local``.
    """

    name: str
    kind: Kind[T]
    default: T
    meaning: str
    default_text: str = ""
    scope: Scope = Scope.SERVER
    secret: bool = False
    deferred: bool = False
    short: bool = False

    def full_name(self, owner: str = "") -> str:
        """``CERTCTL_…`` for a profile, issuer or webhook called ``owner`` (path ID, id or name)."""
        match self.scope:
            case Scope.SERVER:
                return f"{PREFIX}{self.name}"
            case Scope.PROFILE:
                return f"{PREFIX}{PROFILE_PREFIX}{infix(owner)}_{self.name}"
            case Scope.ISSUER:
                return f"{PREFIX}{ISSUER_PREFIX}{infix(owner)}_{self.name}"
            case Scope.WEBHOOK:
                return f"{PREFIX}{WEBHOOK_PREFIX}{infix(owner)}_{self.name}"


def infix(owner: str) -> str:
    """How a profile or issuer appears in variable names: upper case, ``-`` as ``_``."""
    return owner.upper().replace("-", "_")
