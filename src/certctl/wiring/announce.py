"""The lines that say at start what is served, as the guide promises them (operator §5)."""

from __future__ import annotations

from certctl.domain.profiles import EstProfile, profile_name
from certctl.obs.log import Log
from certctl.settings.schema import Settings
from certctl.settings.variable import PREFIX, PROFILE_PREFIX, infix


def announce(settings: Settings, log: Log) -> None:
    """One line per further listener, one for EST, one per EST profile."""
    server, est = settings.server, settings.est
    if server.tls12_port is not None:
        log.info(
            "TLS 1.2 listener enabled", port=server.tls12_port, paths="EST, PKI and /health only"
        )
    if server.pki_http_port is not None:
        log.info("plain HTTP listener enabled", port=server.pki_http_port, paths="PKI only")
    if server.metrics_port is not None:
        log.info(
            "metrics listener enabled", address=server.metrics_address, port=server.metrics_port
        )
    if not est.enabled:
        log.info("EST server disabled", remedy="set CERTCTL_EST_ENABLED=true")
        return
    log.info("EST server enabled", profiles=len(est.profiles))
    for each in est.profiles:
        profile = each.profile
        log.info(
            "EST profile enabled",
            profile=profile_name(profile.path_id),
            routes=_routes(profile, est.root_profile),
            auth_modes=sorted(mode.value for mode in profile.auth_modes) or ["anonymous"],
            issuer=profile.issuer_id,
            lint=lint_of(profile, settings),
        )


def lint_of(profile: EstProfile, settings: Settings) -> tuple[str, ...]:
    """What the lint found in the settings of one EST profile, with the remedies."""
    name = f"{PREFIX}{PROFILE_PREFIX}{infix(profile.path_id)}_" if profile.path_id else ""
    owner = f'profile "{profile.path_id}": '
    return tuple(
        f"{each.problem.removeprefix(owner)}; {each.remedy}"
        for each in settings.warnings
        if (name and each.variable.startswith(name)) or each.problem.startswith(owner)
    )


def _routes(profile: EstProfile, root_profile: str | None) -> list[str]:
    routes = [f"/.well-known/est/{profile.path_id}"] if profile.path_id else []
    routes += [f"/.well-known/est-mtls/{profile.path_id}"] if profile.mtls else []
    routes += ["/.well-known/est"] if profile.path_id in ("", root_profile) else []
    return routes
