"""What the authority reads again on SIGHUP: certificate profiles, then whom it trusts.

It alone examines them and puts the change on record; the workers load what it accepted.
A file that must not be used leaves everything as it was, and the log says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from certctl.authority.commands import SYSTEM, ReloadTrust
from certctl.authority.events import event_by
from certctl.authority.service import AuthorityService
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificate_profiles import CertificateProfiles
from certctl.domain.clock import Clock
from certctl.domain.errors import Failure, TrustRefused
from certctl.domain.failure_words import words_of
from certctl.obs.log import Log
from certctl.settings.certificate_profiles import CertificateProfilesRefused
from certctl.settings.schema import Settings
from certctl.wiring.certificate_profiles import (
    CertificateProfileMissing,
    reload_certificate_profiles,
)


class AuthorityReload:
    """Call from the authority's own loop, between two turns."""

    def __init__(
        self,
        settings: Settings,
        service: AuthorityService,
        certificate_profiles: CertificateProfiles,
        *,
        log: Log,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._service = service
        self._certificate_profiles = certificate_profiles
        self._log = log
        self._clock = clock

    def everything(self) -> None:
        """What SIGHUP asks for."""
        self.rules()
        self.trust(
            each.profile.path_id
            for each in self._settings.est.profiles
            if each.trust_bundle_path is not None
        )
        self.trust(
            (
                each.profile.path_id
                for each in self._settings.est.profiles
                if each.ra_certificates_path is not None
            ),
            registration=True,
        )

    def trust(self, path_ids: Iterable[str], *, registration: bool = False) -> None:
        """The trust bundles of these EST profiles, or their registration authorities."""
        for path_id in path_ids:
            command = ReloadTrust(path_id=path_id, actor=SYSTEM, registration=registration)
            outcome = self._service.execute(command)
            # A bundle that is refused has said so itself.
            if isinstance(outcome, Failure) and not isinstance(outcome, TrustRefused):
                self._log.error(
                    "trust_reload_refused", profile=path_id, problem=str(words_of(outcome))
                )

    def rules(self) -> None:
        """The certificate profiles of the files: all of them, or none."""
        problem = ""
        changed: tuple[str, ...] = ()
        try:
            changed = reload_certificate_profiles(self._settings, self._certificate_profiles)
        except (CertificateProfilesRefused, CertificateProfileMissing, OSError) as refused:
            problem = str(words_of(refused))
        if problem:
            self._log.error("certificate_profiles_reload_refused", problem=problem)
        elif changed:
            self._log.info("certificate_profiles_reloaded", changed=list(changed))
            self._service.record(_rules_changed(changed, self._clock()))


def _rules_changed(changed: Sequence[str], now_us: int) -> AuditEvent:
    return event_by(
        SYSTEM,
        AuditAction.CONFIG_CHANGED,
        now_us=now_us,
        resource_type="certificate_profiles",
        details={"changed": list(changed)},
    )
