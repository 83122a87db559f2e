"""What a worker reads again on SIGHUP, while it serves (est §10).

Each thing is read whole and then exchanged as one reference, so a request under way
ends with what it began with. A bad file keeps the old state, and one bad file keeps no
other thing from being read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from certctl.domain.failure_words import words_of
from certctl.domain.ports import ClientTrust, RegistrationAuthorities
from certctl.obs.log import Log
from certctl.settings.schema import ServerSettings, Settings
from certctl.trust.accepted import REGISTRATION, load_accepted, profile_trust
from certctl.trust.registration import RegistrationAuthorities as ListedAuthorities
from certctl.wiring.sockets import RUN_DIRECTORY

TRUST_DIRECTORY = "trust"
"""Below the run directory: trust bundles in force."""

REGISTRATION_DIRECTORY = "registration"
"""Below the run directory: registration authorities in force."""


def trust_directory(server: ServerSettings) -> Path:
    return server.data_dir / RUN_DIRECTORY / TRUST_DIRECTORY


def registration_directory(server: ServerSettings) -> Path:
    return server.data_dir / RUN_DIRECTORY / REGISTRATION_DIRECTORY


class Reloads:
    """Named reloads in the order they were added; ``run`` is the signal's handler."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reads: list[tuple[str, Callable[[], object]]] = []

    def add(self, name: str, read: Callable[[], object]) -> None:
        """``read`` exchanges and logs what is good and raises, with the reason, for the rest."""
        self._reads.append((name, read))

    def run(self) -> None:
        for name, read in self._reads:
            try:
                read()
            except Exception as refused:  # noqa: BLE001 - whatever it is, the old state serves on
                self._log.error(f"{name}_reload_refused", problem=str(words_of(refused)))


class ProfileTrusts:
    """Who is trusted by each EST profile, as of the bundles in force."""

    def __init__(self, settings: Settings, log: Log) -> None:
        """Load all of them.

        Raises:
            BundleRefused: one cannot be read.
        """
        self._directory = trust_directory(settings.server)
        self._log = log
        self._loaded: dict[str, str] = {}
        self._trusts: dict[str, ClientTrust] = {
            each.profile.path_id: profile_trust(None) for each in settings.est.profiles
        }
        self._with_bundle = {
            each.profile.path_id: each.crl_required
            for each in settings.est.profiles
            if each.trust_bundle_path is not None
        }
        self.load()

    @property
    def by_profile(self) -> Mapping[str, ClientTrust]:
        """Always the present ones; look a profile up once per decision."""
        return self._trusts

    def load(self) -> None:
        """Take over what has changed, each profile by one exchange.

        Raises:
            BundleRefused: one cannot be read; those before it were taken over.
        """
        for path_id, require_crl in self._with_bundle.items():
            accepted = load_accepted(self._directory, path_id)
            if self._loaded.get(path_id) != accepted.sha256:
                self._trusts[path_id] = profile_trust(accepted.bundle, require_crl=require_crl)
                self._loaded[path_id] = accepted.sha256
                self._log.info(
                    "trust_loaded",
                    profile=path_id,
                    sha256=accepted.sha256,
                    anchors=len(accepted.bundle.anchors),
                )


class ProfileAuthorities:
    """The registration authorities of each EST profile that has any, as in force."""

    def __init__(self, settings: Settings, issuers: Mapping[str, bytes], log: Log) -> None:
        """``issuers``: the certificate (DER) of each profile's CA, by path ID.

        Raises:
            BundleRefused: a list cannot be read.
        """
        self._directory = registration_directory(settings.server)
        self._issuers = issuers
        self._log = log
        self._with_list = [
            each.profile.path_id
            for each in settings.est.profiles
            if each.ra_certificates_path is not None
        ]
        self._loaded: dict[str, str] = {}
        self._authorities: dict[str, RegistrationAuthorities] = {}
        self.load()

    @property
    def by_profile(self) -> Mapping[str, RegistrationAuthorities]:
        """Always the present ones; look a profile up once per decision."""
        return self._authorities

    def load(self) -> None:
        """Take over what has changed, each profile by one exchange.

        Raises:
            BundleRefused: a list cannot be read; those before it were taken over.
        """
        for path_id in self._with_list:
            accepted = load_accepted(self._directory, path_id, REGISTRATION)
            if self._loaded.get(path_id) != accepted.sha256:
                self._authorities[path_id] = ListedAuthorities(
                    accepted.bundle.ders, self._issuers[path_id]
                )
                self._loaded[path_id] = accepted.sha256
                self._log.info(
                    "registration_authorities_loaded",
                    profile=path_id,
                    sha256=accepted.sha256,
                    authorities=len(accepted.bundle.anchors),
                )
