"""The certificate profiles of a process, and the refusal to start without one of them."""

from __future__ import annotations

from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.policy import DEFAULT_PROFILE
from certctl.settings.certificate_profiles import load_certificate_profiles
from certctl.settings.schema import Settings


class CertificateProfileMissing(Exception):
    """An EST profile names a certificate profile that is not there, or is disabled."""


def open_certificate_profiles(settings: Settings) -> CertificateProfiles:
    """Those of the files, and the built-in one.

    Raises:
        CertificateProfilesRefused: with every fault of the files.
    """
    directory = settings.server.certificate_profiles_dir
    return CertificateProfiles(files=load_certificate_profiles(directory) if directory else {})


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
            name = each.profile.path_id or "(legacy root)"
            state = "there is none of that name" if found is None else "it is disabled"
            faults.append(f'EST profile "{name}" wants certificate profile "{wanted}": {state}')
    if faults:
        known = ", ".join(sorted(profile.id for profile in profiles.values() if profile.enabled))
        raise CertificateProfileMissing(
            "; ".join(faults) + f". Usable ones: {known}. Mend PROFILE_ID, or add a file to"
            " CERTCTL_CERTIFICATE_PROFILES_DIR."
        )
