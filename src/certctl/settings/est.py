"""EST settings out of what was given: the profiles and the rules across them (config §2)."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from certctl.domain.clock import SECOND_US
from certctl.domain.lockout import LockoutRule
from certctl.domain.profiles import AuthMode, ChallengePassword, EstProfile
from certctl.settings.authentication import authentication
from certctl.settings.catalogue import est as names
from certctl.settings.catalogue.issuing import ISSUERS
from certctl.settings.catalogue.server import TRUSTED_PROXIES
from certctl.settings.findings import shown
from certctl.settings.given import Given
from certctl.settings.names import doubled_infixes
from certctl.settings.path_id import RULE, path_id_problem
from certctl.settings.schema import EstProfileSettings, EstSettings
from certctl.settings.variable import Variable

LEGACY = "the single profile at the root"


def est_settings(
    given: Given, issuers: Collection[str], *, others_in_store: bool = False
) -> EstSettings:
    """The EST profiles, bound to ``issuers`` (ids); faults go into the report. With
    ``others_in_store``, an id that is not among them may be one of the store's.

    Without ``EST_PROFILES`` there is one anonymous profile with the empty path ID; with
    ``EST_ENABLED`` off there is none, and what is set for profiles is parsed but not
    judged.
    """
    enabled = given.value(names.EST_ENABLED)
    written = given.value(names.EST_PROFILES)
    if not enabled:
        if written:
            given.warn(
                names.EST_PROFILES,
                "",
                f"has no effect: {names.EST_ENABLED.full_name()} is off",
                f"set {names.EST_ENABLED.full_name()}=true, or unset it",
            )
        profiles: tuple[EstProfileSettings, ...] = ()
    elif written:
        path_ids = _path_ids(written, given)
        profiles = tuple(_profile(path_id, path_ids, given) for path_id in path_ids)
        _warn_legacy(given)
    else:
        profiles = (_legacy(given),)
    for each in profiles:
        _check_issuer(each.profile, issuers, given, others_in_store=others_in_store)
    require_auth = given.value(names.EST_REQUIRE_AUTH)
    if require_auth:
        _refuse_anonymous(profiles, given)
    return EstSettings(
        enabled=enabled,
        root_profile=_root_profile(profiles, given) if enabled else None,
        require_auth=require_auth,
        profiles=profiles,
        lockout=LockoutRule(
            failures=given.value(names.EST_LOCKOUT_FAILURES),
            window_us=given.value(names.EST_LOCKOUT_WINDOW) * SECOND_US,
        ),
    )


def _path_ids(written: tuple[str, ...], given: Given) -> tuple[str, ...]:
    """Lower-case names in order, each once; bad ones are reported and kept."""
    path_ids: dict[str, None] = {}
    for name in written:
        path_id = name.lower()
        problem = "doubled path ID" if path_id in path_ids else path_id_problem(path_id)
        if problem:
            given.refuse(
                names.EST_PROFILES,
                "",
                f"{problem} {shown(path_id)}",
                "rename the profile" if problem != "doubled path ID" else "list each once",
                allowed=RULE,
            )
        path_ids[path_id] = None
    for infix, owners in doubled_infixes(path_ids).items():
        given.refuse(
            names.EST_PROFILES,
            "",
            f"the infix {infix} fits two names: {', '.join(owners)}",
            "rename one of them",
        )
    return tuple(path_ids)


def _profile(path_id: str, path_ids: Collection[str], given: Given) -> EstProfileSettings:
    issuer_id = given.value(names.ISSUER_ID, path_id)
    decided = authentication(path_id, given)
    _check_features(path_id, decided.modes, given)
    return EstProfileSettings(
        profile=EstProfile(
            path_id=path_id,
            issuer_id=issuer_id or "",
            certificate_profile_id=given.value(names.PROFILE_ID, path_id),
            auth_modes=decided.modes,
            mtls_own_only=decided.own_only,
            accept_from_profiles=_accepted(path_id, path_ids, decided.modes, given),
            binding_required=given.value(names.CHANNEL_BINDING_REQUIRED, path_id),
            challenge_password=given.value(names.CHALLENGE_PASSWORD, path_id),
            identity_binding=given.value(names.IDENTITY_BINDING, path_id),
            same_subject=given.value(names.REENROLL_REQUIRE_SAME_SUBJECT, path_id),
            base64_form=given.value(names.BASE64, path_id),
            csrattrs_template=given.value(names.CSRATTRS_TEMPLATE, path_id),
            include_chain=given.value(names.INCLUDE_CHAIN, path_id),
            reenroll_key=given.value(names.REENROLL_KEY, path_id),
            reenroll_grace_us=given.value(names.REENROLL_GRACE, path_id) * SECOND_US,
            on_reenroll=given.value(names.ON_REENROLL, path_id),
            limit_24h=given.value(names.RATE_LIMIT_PER_PRINCIPAL_24H, path_id),
            tenant=given.value(names.TENANT, path_id),
        ),
        enrollment_password=decided.password,
        trust_bundle_path=decided.bundle,
        device_state_hook=_device_state_hook(path_id, given),
        crl_required=given.value(names.MTLS_CRL_POLICY, path_id) == "hard",
        ra_certificates_path=given.path(names.RA_CERTIFICATES, path_id),
    )


def _legacy(given: Given) -> EstProfileSettings:
    issuer_id = given.value(names.EST_ISSUER_ID)
    return EstProfileSettings(
        profile=EstProfile(
            path_id="",
            issuer_id=issuer_id,
            certificate_profile_id=given.value(names.EST_PROFILE_ID),
            auth_modes=frozenset({AuthMode.ANONYMOUS}),
        )
    )


def _check_issuer(
    profile: EstProfile, issuers: Collection[str], given: Given, *, others_in_store: bool
) -> None:
    """Every profile has an issuer that there is."""
    owner, issuer_id, allowed = profile.path_id, profile.issuer_id, ", ".join(sorted(issuers))
    variable: Variable[Any] = names.ISSUER_ID if owner else names.EST_ISSUER_ID
    if not issuer_id:
        if not given.is_set(variable, owner):
            given.refuse(variable, owner, "no issuer", "set it", allowed=allowed)
    elif issuer_id not in issuers and not others_in_store:
        given.refuse(
            variable,
            owner,
            f"unknown issuer {shown(issuer_id)}",
            f"name a known one, or add it to {ISSUERS.full_name()}",
            came=shown(issuer_id),
            allowed=allowed,
        )


def _check_features(path_id: str, modes: Collection[AuthMode], given: Given) -> None:
    """Rules between one profile's settings, whether or not the feature works yet."""

    def switched(variable: Variable[bool]) -> bool:
        return given.value(variable, path_id)

    if switched(names.SERVERKEYGEN_ENABLED) and not given.is_set(names.PROFILE_ID, path_id):
        given.refuse(
            names.SERVERKEYGEN_ENABLED,
            path_id,
            "key generation without certificate profile",
            f"set {given.name(names.PROFILE_ID, path_id)}, whose rules choose the key",
        )
    if switched(names.CHANNEL_BINDING_REQUIRED):
        if not modes or AuthMode.ANONYMOUS in modes:
            given.refuse(
                names.CHANNEL_BINDING_REQUIRED,
                path_id,
                "channel binding without any authentication",
                "allow mtls or basic, or switch it off",
            )
        if given.value(names.CHALLENGE_PASSWORD, path_id) is ChallengePassword.IGNORE:
            given.refuse(
                names.CHALLENGE_PASSWORD,
                path_id,
                "ignores what CHANNEL_BINDING_REQUIRED needs",
                "unset one of the two",
            )
        if given.value(TRUSTED_PROXIES):
            given.warn(
                names.CHANNEL_BINDING_REQUIRED,
                path_id,
                f"devices behind the proxies of {TRUSTED_PROXIES.full_name()} cannot enroll: "
                "a channel binding ends at the proxy (426)",
                "connect such devices directly, or give them a profile without it",
            )
    upstream = given.is_set(names.FULLCMC_UPSTREAM, path_id)
    if given.value(names.FULLCMC, path_id) == "proxy" and not upstream:
        given.refuse(
            names.FULLCMC,
            path_id,
            "proxy fullcmc without upstream",
            f"set {given.name(names.FULLCMC_UPSTREAM, path_id)}",
        )
    needing: tuple[Variable[Any], ...] = (names.IDENTITY_BINDING, names.RA_CERTIFICATES)
    for variable in needing:
        changed = given.value(variable, path_id) != variable.default
        if changed and AuthMode.MTLS not in modes:
            given.refuse(variable, path_id, "needs client certificates", "allow mtls, or unset it")


def _accepted(
    path_id: str, path_ids: Collection[str], modes: Collection[AuthMode], given: Given
) -> frozenset[str]:
    variable = names.ACCEPT_FROM_PROFILES
    written = given.value(variable, path_id)
    accepted = frozenset(map(str.lower, written))
    for name in sorted(accepted):
        if name == path_id or name not in path_ids:
            others = sorted(set(path_ids) - {path_id})
            given.refuse(
                variable,
                path_id,
                "names the profile itself" if name == path_id else f"unknown profile {shown(name)}",
                "name other profiles of this server",
                allowed=", ".join(others) or "nothing: there is no other profile",
            )
    if accepted and AuthMode.MTLS not in modes:
        given.warn(
            variable, path_id, "has no effect: mtls is not allowed here", "allow mtls or unset it"
        )
    return accepted


def _device_state_hook(path_id: str, given: Given) -> str | None:
    hook = given.value(names.DEVICE_STATE_HOOK, path_id)
    parts = urlsplit(hook or "")
    if parts.scheme == "http" and not _is_this_host(parts.hostname or ""):
        given.warn(
            names.DEVICE_STATE_HOOK,
            path_id,
            "is plain HTTP to another host: whoever is on the way can say yes",
            "use https",
        )
    return hook


def _is_this_host(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _root_profile(profiles: tuple[EstProfileSettings, ...], given: Given) -> str | None:
    root = given.value(names.EST_ROOT_PROFILE)
    if root is None:
        return None
    named = sorted(entry.profile.path_id for entry in profiles if entry.profile.path_id)
    if root.lower() not in named:
        given.refuse(
            names.EST_ROOT_PROFILE,
            "",
            f"unknown profile {shown(root)}",
            f"name one of {names.EST_PROFILES.full_name()}, or unset it",
            came=shown(root),
            allowed=", ".join(named) or f"nothing: {LEGACY} is served there already",
        )
    return root.lower()


def _refuse_anonymous(profiles: tuple[EstProfileSettings, ...], given: Given) -> None:
    for entry in profiles:
        path_id = entry.profile.path_id
        if not entry.profile.anonymous:
            continue
        if path_id and not given.sound(path_id, *AUTHENTICATING):
            continue  # what made it anonymous is a fault that is reported already
        given.report.refuse(
            names.EST_REQUIRE_AUTH.full_name(),
            f'profile "{path_id}" is anonymous' if path_id else f"{LEGACY} is anonymous",
            "give it a password or mTLS"
            if path_id
            else f"name profiles in {names.EST_PROFILES.full_name()} and protect them",
        )


def _warn_legacy(given: Given) -> None:
    for variable in (names.EST_ISSUER_ID, names.EST_PROFILE_ID):
        if given.is_set(variable):
            given.warn(
                variable,
                "",
                f"has no effect: {names.EST_PROFILES.full_name()} is set",
                "unset it; each profile names its own",
            )


AUTHENTICATING = (
    names.ALLOWED_AUTH_MODES,
    names.ENROLLMENT_PASSWORD,
    names.MTLS_ENABLED,
    names.MTLS_OWN_ONLY,
    names.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH,
)
