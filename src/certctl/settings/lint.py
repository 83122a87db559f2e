"""The profile lint (config §4): settings that work and that somebody will regret.

Only warns; each names the profile and the remedy. Works on settings that passed all
checks and on certificates already read, so it touches no file.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from cryptography import x509

from certctl.domain.clock import DAY_US, SECOND_US
from certctl.domain.profiles import AuthMode
from certctl.settings.catalogue import est, issuing, server
from certctl.settings.files import CheckedFiles
from certctl.settings.findings import Finding, Severity, shown
from certctl.settings.given import owner_text
from certctl.settings.schema import EstProfileSettings, Settings
from certctl.settings.variable import Variable

SHORT_PASSWORD = 12
"""Fewer characters can be tried out in spite of the lock-out."""

SOON_DAYS = 30


def lint(settings: Settings, files: CheckedFiles, *, now_us: int) -> tuple[Finding, ...]:
    """All warnings, profiles first."""
    findings: list[Finding] = []
    for entry in settings.est.profiles:
        findings += _profile(entry)
        findings += _binding(entry, settings)
    findings += _shared_passwords(settings)
    findings += _bundles(files, now_us)
    findings += _cas(settings, files, now_us)
    findings += _tls(settings, files, now_us)
    findings += _pointers(settings)
    return tuple(findings)


def _profile(entry: EstProfileSettings) -> Iterator[Finding]:
    profile = entry.profile
    if profile.anonymous and profile.path_id:
        yield _warning(
            est.ALLOWED_AUTH_MODES,
            profile.path_id,
            "ANONYMOUS: whoever reaches this server gets a certificate",
            "give it a password (ENROLLMENT_PASSWORD_FILE) or mTLS",
        )
    elif profile.anonymous:
        yield _warning(
            est.EST_ENABLED,
            "",
            "the single profile at the root is ANONYMOUS: whoever reaches this server gets "
            "a certificate",
            f"name a profile in {est.EST_PROFILES.full_name()} and protect it",
        )
    password = entry.enrollment_password
    if password is not None and len(password) < SHORT_PASSWORD:
        yield _warning(
            est.ENROLLMENT_PASSWORD,
            profile.path_id,
            f"a password of fewer than {SHORT_PASSWORD} characters",
            "use a longer one, such as openssl rand -base64 24 makes",
        )
    only_own = profile.mtls_own_only and profile.auth_modes == {AuthMode.MTLS}
    if only_own and not profile.accept_from_profiles:
        yield _warning(
            est.MTLS_OWN_ONLY,
            profile.path_id,
            "only own certificates open it, so no device can enroll for the first time",
            "allow basic too, or name a bootstrap profile in ACCEPT_FROM_PROFILES",
        )


def _binding(entry: EstProfileSettings, settings: Settings) -> Iterator[Finding]:
    profile = entry.profile
    if not profile.binding_required:
        return
    old = settings.server.tls12_port is not None
    yield _warning(
        est.CHANNEL_BINDING_REQUIRED,
        profile.path_id,
        "curl, openssl and strongSwan bind no CSR to its connection and cannot enroll here"
        + ("" if old else "; libest and Bouncy Castle can, but only over TLS 1.2"),
        "make sure that the devices can"
        + ("" if old else f", and set {server.TLS12_PORT.full_name()} for those of TLS 1.2"),
    )


def _shared_passwords(settings: Settings) -> Iterator[Finding]:
    with_password = [
        (entry.profile.path_id, entry.enrollment_password)
        for entry in settings.est.profiles
        if entry.enrollment_password is not None
    ]
    for place, (path_id, password) in enumerate(with_password):
        for earlier_id, earlier in with_password[:place]:
            if password == earlier:
                yield _warning(
                    est.ENROLLMENT_PASSWORD,
                    path_id,
                    f'the password is also that of profile "{earlier_id}"',
                    "give each profile its own, so that a leak opens only one",
                )


def _bundles(files: CheckedFiles, now_us: int) -> Iterator[Finding]:
    for path_id, certificates in files.bundles.items():
        for certificate in certificates:
            days = _days_left(certificate, now_us)
            if days < SOON_DAYS:
                yield _warning(
                    est.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH,
                    path_id,
                    f"a certificate of the bundle expires in {days} days: "
                    f"{shown(certificate.subject.rfc4514_string())}",
                    "add its successor to the file and take it out",
                )


def _cas(settings: Settings, files: CheckedFiles, now_us: int) -> Iterator[Finding]:
    for issuer in settings.issuers:
        certificate = files.cas.get(issuer.id)
        if certificate is None:
            continue
        if _left_us(certificate, now_us) < issuer.validity_s * SECOND_US:
            yield _warning(
                issuing.CA_CERT_PATH,
                issuer.id,
                f"the CA expires in {_days_left(certificate, now_us)} days, before the "
                "certificates it would sign; they are capped to it",
                "renew the CA certificate",
            )


def _tls(settings: Settings, files: CheckedFiles, now_us: int) -> Iterator[Finding]:
    if files.tls is None:
        return
    days = _days_left(files.tls, now_us)
    if days < 0:
        yield _warning(server.SERVER_TLS_CERT_PATH, "", "the certificate has expired", "replace it")
    elif days < SOON_DAYS:
        yield _warning(
            server.SERVER_TLS_CERT_PATH,
            "",
            f"the certificate expires in {days} days",
            "replace it, then send SIGHUP",
        )
    host = settings.server.public_host
    if host is not None and not _covers(files.tls, host):
        yield _warning(
            server.SERVER_TLS_CERT_PATH,
            "",
            f"the certificate lacks the public name {shown(host)}",
            f"use one with that name, or mend {server.PUBLIC_URL.full_name()}",
        )


def _pointers(settings: Settings) -> Iterator[Finding]:
    """Whoever sets one of the two means to be found by others (RFC 5280 §8)."""
    url, port = settings.server.public_url, settings.server.pki_http_port
    if url is not None and port is None:
        yield _warning(
            server.PKI_HTTP_PORT,
            "",
            "nobody can reach the CRL over HTTP, so certificates do not say where it is",
            "set it, to 80 where that is possible",
        )
    if port is not None and url is None:
        yield _warning(
            server.PUBLIC_URL,
            "",
            "without it certificates do not say where CRL and OCSP are",
            "set it to https:// and the name that others reach this server by",
        )


def _covers(certificate: x509.Certificate, host: str) -> bool:
    """The host is among the SANs, as RFC 6125 §6.4 compares them."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names = {name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}
        return host in names or f"*.{host.partition('.')[2]}" in names
    return address in extension.value.get_values_for_type(x509.IPAddress)


def _left_us(certificate: x509.Certificate, now_us: int) -> int:
    return int(certificate.not_valid_after_utc.timestamp()) * SECOND_US - now_us


def _days_left(certificate: x509.Certificate, now_us: int) -> int:
    return _left_us(certificate, now_us) // DAY_US


def _warning(variable: Variable[Any], owner: str, problem: str, remedy: str) -> Finding:
    return Finding(
        variable=variable.full_name(owner),
        problem=f"{owner_text(variable, owner)}{problem}",
        remedy=remedy,
        severity=Severity.WARNING,
    )
