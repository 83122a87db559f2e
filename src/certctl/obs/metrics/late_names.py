"""Label values that turn up while the server runs: the issuers that its store gets.

All series of a page are known at the start, so some are kept free under a placeholder.
One process, the authority, gives a placeholder to each name that comes; the others read in
shared memory which is whose. A name keeps its placeholder until the server ends, so its
counters never go back, and there is never more of them than were kept free.
"""

from __future__ import annotations

from typing import Final

SLOTS: Final = 64
"""Issuers of the store that have series of their own; those beyond are ``OTHER``."""

_OCTETS: Final = 64
"""One of length, and a name: an issuer's id is at most 63 (``settings.path_id``)."""

SIZE: Final = SLOTS * _OCTETS

UNNAMED: Final = "\0"
"""How placeholders begin; no name does."""

PLACEHOLDERS: Final = tuple(f"{UNNAMED}{number}" for number in range(SLOTS))


class LateNames:
    """Over ``SIZE`` octets of shared memory that are 0 at the start."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._found: dict[str, str] = {}

    def take(self, name: str) -> bool:
        """Give a name its series, if it has none yet; False where none is free.

        For one process alone.
        """
        octets = name.encode()
        if self.placeholder(name) is not None:
            return True
        if not 0 < len(octets) < _OCTETS:
            return False
        for place in range(0, SIZE, _OCTETS):
            if not self._memory[place]:
                self._memory[place + 1 : place + 1 + len(octets)] = octets
                # Last: who reads meanwhile sees the whole name or none.
                self._memory[place] = len(octets)
                return True
        return False

    def placeholder(self, name: str) -> str | None:
        """What a name's series are kept under."""
        found = self._found.get(name)
        if found is None:
            # Rare: another name than the last ones, or one that has no series.
            self._found = {known: placeholder for placeholder, known in self.names().items()}
            found = self._found.get(name)
        return found

    def names(self) -> dict[str, str]:
        """Names by placeholder, as far as they have one."""
        found = {}
        for number, placeholder in enumerate(PLACEHOLDERS):
            place = number * _OCTETS
            length = self._memory[place]
            if not length:
                break
            found[placeholder] = bytes(self._memory[place + 1 : place + 1 + length]).decode()
        return found
