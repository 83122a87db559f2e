"""How the devices of one profile authenticate: modes, password, anchors (est §3).

A mode is open only when what it needs is there; a mode that is configured but not
allowed stays closed. An empty list is inferred from what is configured, and said so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certctl.domain.profiles import AuthMode
from certctl.settings.catalogue import est as names
from certctl.settings.given import Given
from certctl.settings.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """The decided modes and what they need; ``bundle`` is None with ``own_only``."""

    modes: frozenset[AuthMode]
    own_only: bool
    password: Secret | None
    bundle: Path | None


def authentication(path_id: str, given: Given) -> Authentication:
    """Decide for one named profile; contradictions go into the report."""
    allowed = given.value(names.ALLOWED_AUTH_MODES, path_id)
    listed = frozenset(allowed)
    password = given.value(names.ENROLLMENT_PASSWORD, path_id)
    own_only = given.value(names.MTLS_OWN_ONLY, path_id)
    mtls_on = own_only or given.value(names.MTLS_ENABLED, path_id)
    if given.sound(path_id, names.ALLOWED_AUTH_MODES):
        _check_basic(path_id, listed, given)
        _check_mtls(path_id, listed, given)
    modes = listed or _inferred(path_id, given)
    if AuthMode.ANONYMOUS in modes and mtls_on:
        # The standard route is open; the est-mtls route still wants its certificate.
        modes |= {AuthMode.MTLS}
    mtls = AuthMode.MTLS in modes
    return Authentication(
        modes=modes,
        own_only=own_only and mtls,
        password=password if AuthMode.BASIC in modes else None,
        bundle=_bundle(path_id, given, wanted=mtls or mtls_on, own_only=own_only),
    )


def _check_basic(path_id: str, listed: frozenset[AuthMode], given: Given) -> None:
    has_password = given.is_set(names.ENROLLMENT_PASSWORD, path_id)
    if AuthMode.BASIC in listed and not has_password:
        given.refuse(
            names.ALLOWED_AUTH_MODES,
            path_id,
            "basic without password",
            f"set {given.name(names.ENROLLMENT_PASSWORD, path_id)}_FILE, or take basic out",
        )
    if listed >= {AuthMode.BASIC, AuthMode.ANONYMOUS}:
        given.refuse(
            names.ALLOWED_AUTH_MODES,
            path_id,
            "anonymous beside basic: nobody would ever need the password",
            "take one of the two out",
        )
    elif listed and AuthMode.BASIC not in listed and has_password:
        given.warn(
            names.ENROLLMENT_PASSWORD,
            path_id,
            f"has no effect: {given.name(names.ALLOWED_AUTH_MODES, path_id)} does not list basic",
            "unset it, or allow basic",
        )


def _check_mtls(path_id: str, listed: frozenset[AuthMode], given: Given) -> None:
    if not given.sound(path_id, names.MTLS_ENABLED, names.MTLS_OWN_ONLY):
        return
    own_only = given.value(names.MTLS_OWN_ONLY, path_id)
    mtls_on = own_only or given.value(names.MTLS_ENABLED, path_id)
    if AuthMode.MTLS in listed and not mtls_on:
        given.refuse(
            names.ALLOWED_AUTH_MODES,
            path_id,
            "mtls without MTLS_ENABLED",
            f"set {given.name(names.MTLS_ENABLED, path_id)}=true, or take mtls out",
        )
    if listed == {AuthMode.BASIC} and mtls_on:
        variable = names.MTLS_OWN_ONLY if own_only else names.MTLS_ENABLED
        given.warn(
            variable,
            path_id,
            f"has no effect: {given.name(names.ALLOWED_AUTH_MODES, path_id)} does not list mtls",
            "unset it, or allow mtls",
        )
    if not mtls_on and given.is_set(names.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH, path_id):
        given.warn(
            names.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH,
            path_id,
            "has no effect: mTLS is off",
            f"set {given.name(names.MTLS_ENABLED, path_id)}=true, or unset it",
        )


def _inferred(path_id: str, given: Given) -> frozenset[AuthMode]:
    """The modes of what is configured; anonymous where nothing is (est §3)."""
    modes = set()
    if given.value(names.MTLS_OWN_ONLY, path_id) or given.value(names.MTLS_ENABLED, path_id):
        modes.add(AuthMode.MTLS)
    # A password that could not be read still means that one is wanted.
    if given.is_set(names.ENROLLMENT_PASSWORD, path_id):
        modes.add(AuthMode.BASIC)
    if not modes:
        return frozenset({AuthMode.ANONYMOUS})
    if not given.is_set(names.ALLOWED_AUTH_MODES, path_id):
        text = ",".join(sorted(modes, reverse=True))
        given.report.note(
            given.name(names.ALLOWED_AUTH_MODES, path_id),
            f'profile "{path_id}": not set; taken from what is configured: {text}',
            f"set it to {text} to say so",
        )
    return frozenset(modes)


def _bundle(path_id: str, given: Given, *, wanted: bool, own_only: bool) -> Path | None:
    variable = names.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH
    bundle = given.path(variable, path_id)
    if own_only:
        if bundle is not None:
            given.warn(
                variable,
                path_id,
                "has no effect: MTLS_OWN_ONLY trusts only certificates issued here",
                "unset one of the two",
            )
        return None
    if wanted and not given.is_set(variable, path_id):
        given.refuse(
            variable,
            path_id,
            "mTLS without bundle",
            f"name a PEM file, or set {given.name(names.MTLS_OWN_ONLY, path_id)}=true",
        )
    return bundle if wanted else None
