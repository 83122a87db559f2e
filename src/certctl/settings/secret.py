"""Secrets as values that cannot be printed by accident, and where they come from.

A ``Secret`` shows ``***`` wherever it is formatted; only ``reveal`` gives it out. The
passphrase of a CA key is a ``SecretSource``: its file is read when the authority asks,
so that the processes facing the network never hold it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

MASK = "***"

MAX_SECRET_OCTETS = 65_536
"""No password or key here is longer; a wrong path must not fill the memory."""


class SecretUnreadable(Exception):
    """A secret's file cannot be used; the text says why and never holds its content."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Secret:
    """A text that must not be shown. Equality takes the same time for equal lengths."""

    _text: str

    def reveal(self) -> str:
        """The secret itself; hand it to what needs it and keep no copy."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogateescape"),
            other._text.encode("utf-8", "surrogateescape"),
        )

    __hash__ = None  # type: ignore[assignment]  # a table of secrets is nothing we want

    def __len__(self) -> int:
        return len(self._text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is: in a file that is read on demand, or already given.

    Exactly one of ``path`` and ``given`` is set.
    """

    path: Path | None = None
    given: Secret | None = None

    def read(self) -> Secret:
        """The secret, read from its file now.

        Raises:
            SecretUnreadable: the file is missing, unreadable, empty or no text.
        """
        if self.given is not None:
            return self.given
        if self.path is None:
            raise SecretUnreadable("no source is set")
        return read_secret_file(self.path)


def read_secret_file(path: Path) -> Secret:
    """Read a secret's file (UTF-8); line ends at its end are dropped.

    Raises:
        SecretUnreadable: the file is missing, unreadable, too long, empty or no text.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET_OCTETS + 1)
    except OSError as err:
        raise SecretUnreadable(err.strerror or "cannot be read") from err
    except ValueError as err:  # a NUL in the path
        raise SecretUnreadable("is not a path") from err
    if len(octets) > MAX_SECRET_OCTETS:
        raise SecretUnreadable(f"is longer than {MAX_SECRET_OCTETS} octets")
    try:
        text = octets.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        # The exception holds the octets; raising "from" it would carry them along.
        raise SecretUnreadable("is not UTF-8 text") from None
    if not text:
        raise SecretUnreadable("is empty")
    return Secret(text)
