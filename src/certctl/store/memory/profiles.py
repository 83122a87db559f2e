"""Certificate profiles of the store."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.certificate_profiles import StoredProfile
from certctl.domain.ports import DuplicateKey
from certctl.store.memory.base import Reads, Writes


class ProfileReads(Reads):
    """``ports.reads.ProfileReads``."""

    def stored_profiles(self) -> Sequence[StoredProfile]:
        rows = self._now().profiles
        return [rows[key] for key in sorted(rows)]

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        rows = self._now().profiles.values()
        return (
            len(rows),
            sum(row.version for row in rows),
            max((row.changed_us for row in rows), default=0),
        )


class ProfileWrites(Writes):
    """``ports.writes.ProfileWrites``."""

    def stored_profiles(self) -> Sequence[StoredProfile]:
        rows = self._open().profiles
        return [rows[key] for key in sorted(rows)]

    def put_profile(self, profile: StoredProfile) -> None:
        rows = self._open().profiles
        held = rows.get(profile.id)
        if held and held.version >= profile.version:
            raise self._failed(DuplicateKey("certificate_profiles.version"))
        rows[profile.id] = profile

    def delete_profile(self, profile_id: str) -> None:
        self._open().profiles.pop(profile_id, None)
