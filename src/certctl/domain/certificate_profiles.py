"""The certificate profiles of a process: where they come from and which one wins.

Files win over the store, and the built-in ``default`` is always there. A set is swapped
whole, so whoever looks a profile up sees the rules before a change or after it, never a
mixture; what was looked up is immutable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProfile:
    """A written profile as the store keeps it.

    Attributes:
        version: 1 at first, one more with each change.
        document: JSON object with the fields of the written form.
    """

    id: str
    version: int
    document: str
    changed_us: int


Profiles = Mapping[str, CertificateProfile]


class CertificateProfiles(Mapping[str, CertificateProfile]):
    """Profiles by id. Reading is one dictionary look-up."""

    def __init__(self, *, files: Profiles | None = None, stored: Profiles | None = None) -> None:
        self._files: Profiles = {}
        self._stored: Profiles = {}
        self._all: Profiles = {}
        self.replace(files=files or {}, stored=stored or {})

    def replace(self, *, files: Profiles | None = None, stored: Profiles | None = None) -> None:
        """Swap the profiles of one origin, or of both, for others."""
        self._files = self._files if files is None else dict(files)
        self._stored = self._stored if stored is None else dict(stored)
        self._all = {DEFAULT_PROFILE.id: DEFAULT_PROFILE, **self._stored, **self._files}

    def with_files(self, files: Profiles) -> CertificateProfiles:
        """What these would be with other files; nothing is swapped."""
        return CertificateProfiles(files=files, stored=self._stored)

    def is_file(self, profile_id: str) -> bool:
        """It comes from a file, so the store's profile of this id has no effect."""
        return profile_id in self._files

    def __getitem__(self, profile_id: str) -> CertificateProfile:
        return self._all[profile_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
