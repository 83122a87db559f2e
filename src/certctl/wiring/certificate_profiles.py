"""The certificate profiles of a process, and the refusal to start without one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from certctl.domain.certificate_profiles import CertificateProfiles, StoredProfile
from certctl.domain.errors import StoreUnavailable
from certctl.domain.policy import DEFAULT_PROFILE, CertificateProfile
from certctl.domain.ports import Records
from certctl.domain.profiles import profile_name
from certctl.obs.log import Log
from certctl.settings.certificate_profiles import (
    CertificateProfilesRefused,
    load_certificate_profiles,
    profile_of_document,
)
from certctl.settings.schema import Settings


class CertificateProfileMissing(Exception):
    """An EST profile names a certificate profile that is not there, or is disabled."""


class StoredProfiles(Protocol):
    """Either side of the store."""

    def stored_profiles(self) -> Sequence[StoredProfile]: ...


def open_certificate_profiles(
    settings: Settings, stored: StoredProfiles, log: Log
) -> CertificateProfiles:
    """Those of the files, of the store, and the built-in one.

    Raises:
        CertificateProfilesRefused: with every fault of the files.
    """
    directory = settings.server.certificate_profiles_dir
    return CertificateProfiles(
        files=load_certificate_profiles(directory) if directory else {},
        stored=usable(stored.stored_profiles(), log),
    )


def usable(rows: Sequence[StoredProfile], log: Log) -> Mapping[str, CertificateProfile]:
    """Stored documents as profiles. One that this version cannot read is missing (503):
    it was good when it was put, so that is no reason to stop everything else.
    """
    found = {}
    for row in rows:
        try:
            found[row.id] = profile_of_document(row.id, row.document)
        except CertificateProfilesRefused as refused:
            log.warning("certificate_profile_unusable", profile=row.id, problem=str(refused))
    return found


class StoreWatch:
    """Takes changes of the stored profiles over, asked about once a second."""

    def __init__(self, profiles: CertificateProfiles, records: Records, log: Log) -> None:
        self._profiles = profiles
        self._records = records
        self._log = log
        self._stamp: tuple[int, int, int] | None = None
        self.readable = True
        """The store could be read when it was last asked."""

    def look(self) -> None:
        """Read the profiles anew if any changed; a store that is away changes nothing."""
        try:
            stamp = self._records.stored_profiles_stamp()
            self.readable = True
            if stamp == self._stamp:
                return
            rows = self._records.stored_profiles()
        except StoreUnavailable:
            self.readable = False
            return
        self._profiles.replace(stored=usable(rows, self._log))
        if self._stamp is not None:
            self._log.info("certificate_profiles_changed", stored=len(rows))
        self._stamp = stamp


def named_by(settings: Settings, profiles: CertificateProfiles) -> Mapping[str, Sequence[str]]:
    """EST profiles by the certificate profile that they name, unless a file has it."""
    found: dict[str, list[str]] = {}
    for each in settings.est.profiles:
        wanted = each.profile.certificate_profile_id or DEFAULT_PROFILE.id
        if not profiles.is_file(wanted):
            found.setdefault(wanted, []).append(profile_name(each.profile.path_id))
    return found


def reload_certificate_profiles(
    settings: Settings, profiles: CertificateProfiles
) -> tuple[str, ...]:
    """Read the files again; all of them are taken over, or none. Gives the ids that changed.

    Raises:
        CertificateProfilesRefused: with every fault of the files.
        CertificateProfileMissing: an EST profile would be without its certificate profile.
    """
    directory = settings.server.certificate_profiles_dir
    if directory is None:
        return ()
    files = load_certificate_profiles(directory)
    require_named(settings, profiles.with_files(files))
    before = dict(profiles)
    profiles.replace(files=files)
    ids = sorted({*before, *profiles})
    return tuple(each for each in ids if before.get(each) != profiles.get(each))


def require_named(settings: Settings, profiles: CertificateProfiles) -> None:
    """Every certificate profile that an EST profile names can be issued under.

    Raises:
        CertificateProfileMissing: naming all EST profiles for which that is not so.
    """
    faults = []
    for each in settings.est.profiles:
        wanted = each.profile.certificate_profile_id or DEFAULT_PROFILE.id
        found = profiles.get(wanted)
        if found is None or not found.enabled:
            name = profile_name(each.profile.path_id)
            state = "there is none of that name" if found is None else "it is disabled"
            faults.append(f'EST profile "{name}" wants certificate profile "{wanted}": {state}')
    if faults:
        known = ", ".join(sorted(profile.id for profile in profiles.values() if profile.enabled))
        raise CertificateProfileMissing(
            "; ".join(faults) + f". Usable ones: {known}. Mend PROFILE_ID, add a file to"
            " CERTCTL_CERTIFICATE_PROFILES_DIR, or use certctl-server profiles put."
        )
