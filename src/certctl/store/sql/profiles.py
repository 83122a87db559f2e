"""Certificate profiles of the store."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.domain.certificate_profiles import StoredProfile
from certctl.store.commands import (
    profiles,
)
from certctl.store.queries import profiles as profile_queries
from certctl.store.sql.base import Reads, Writes


class ProfileReads(Reads):
    """``ports.reads.ProfileReads``."""

    def stored_profiles(self) -> Sequence[StoredProfile]:
        return self._ask(profile_queries.stored_profiles)

    def stored_profiles_stamp(self) -> tuple[int, int, int]:
        return self._ask(profile_queries.stamp)


class ProfileWrites(Writes):
    """``ports.writes.ProfileWrites``."""

    __slots__ = ()

    def stored_profiles(self) -> Sequence[StoredProfile]:
        return self._run(profile_queries.our_profiles)

    def put_profile(self, profile: StoredProfile) -> None:
        self._run(profiles.put_profile, profile)

    def delete_profile(self, profile_id: str) -> None:
        self._run(profiles.delete_profile, profile_id)
