"""Checks of the files that the settings name: TLS pair, trust bundles, CA files.

Reads certificates and the listener's key, never a CA's key (only its mode): this runs in
processes that must not hold one. What was read is handed on to the lint. File contents
never get into a finding; names of PEM blocks do.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from certctl.settings.catalogue import est, issuing, server
from certctl.settings.findings import shown
from certctl.settings.given import Given
from certctl.settings.programs import check_programs
from certctl.settings.schema import (
    EstProfileSettings,
    EstSettings,
    IssuerSettings,
    ServerSettings,
)
from certctl.wire.trust_bundle import BundleContents, BundleFault, decode_bundle, is_current
from certctl.wire.unreadable import UNREADABLE

MAX_OCTETS = 8 << 20
"""Thousands of certificates; a wrong path (a device, a disk image) must not fill memory."""

MIN_RSA_BITS = 2_048

PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
CERTIFICATE = b"CERTIFICATE"
REGISTRATION_AUTHORITY = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
"""id-kp-cmcRA (RFC 6402 §2.10)."""


class FileFault(Exception):
    """A file that does not hold what it should; the text says what it holds instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFiles:
    """Certificates that passed: the listener's leaf, and lists by path ID or issuer id."""

    tls: x509.Certificate | None = None
    bundles: Mapping[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    cas: Mapping[str, x509.Certificate] = field(default_factory=dict)


def check_files(
    server_settings: ServerSettings,
    est_settings: EstSettings,
    issuers: tuple[IssuerSettings, ...],
    given: Given,
    *,
    now_us: int,
) -> CheckedFiles:
    """Check all files; faults go into the report, each under its variable."""
    bundles = {}
    for entry in est_settings.profiles:
        if entry.trust_bundle_path is not None:
            path_id = entry.profile.path_id
            found = _check_bundle(path_id, entry.trust_bundle_path, given, now_us)
            if found is not None:
                bundles[path_id] = found.certificates
                _warn_crls(entry, found, given, now_us)
        if entry.ra_certificates_path is not None:
            _check_registration(entry.profile.path_id, entry.ra_certificates_path, given)
    cas = {}
    for issuer in issuers:
        certificate = _check_ca(issuer, given)
        if certificate is not None:
            cas[issuer.id] = certificate
    return CheckedFiles(tls=_check_tls(server_settings, given), bundles=bundles, cas=cas)


def read_bundle(path: Path, *, now_us: int) -> BundleContents:
    """What stands in a trust bundle (PEM), in order.

    Raises:
        FileFault: unreadable, or a fault of its contents (``decode_bundle``).
    """
    try:
        return decode_bundle(_octets(path), now_us=now_us)
    except BundleFault as fault:
        raise FileFault(fault.problem) from fault


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file; other blocks are left alone.

    Raises:
        FileFault: unreadable, without certificates, or one does not parse.
    """
    octets = _octets(path)
    return _certificates(octets, PEM_LABEL.findall(octets).count(CERTIFICATE))


def _check_bundle(path_id: str, path: Path, given: Given, now_us: int) -> BundleContents | None:
    variable = est.MTLS_CLIENT_CA_TRUST_BUNDLE_PATH
    try:
        return read_bundle(path, now_us=now_us)
    except FileFault as err:
        given.refuse(
            variable,
            path_id,
            f"the bundle cannot be used: {err}",
            "mend the file or name another",
            came=shown(str(path)),
            allowed="a PEM file of one or more unexpired CA certificates, and their CRLs",
        )
        return None


def _warn_crls(entry: EstProfileSettings, found: BundleContents, given: Given, now_us: int) -> None:
    """With MTLS_CRL_POLICY=hard a CA without a current CRL opens nothing."""
    if not entry.crl_required:
        return
    current = {crl.issuer for crl in found.crls if is_current(crl, now_us)}
    for subject in dict.fromkeys(each.subject for each in found.certificates):
        if subject not in current:
            given.warn(
                est.MTLS_CRL_POLICY,
                entry.profile.path_id,
                f"no current CRL of {shown(subject.rfc4514_string())} is in the bundle, so "
                "whoever shows a certificate of that CA is refused",
                "add its CRL to the bundle, or set the policy to soft",
            )


def _check_registration(path_id: str, path: Path, given: Given) -> None:
    try:
        _require_registration_usage(path)
    except FileFault as err:
        given.refuse(
            est.RA_CERTIFICATES,
            path_id,
            f"the registration authorities cannot be used: {err}",
            "mend the file or name another",
            came=shown(str(path)),
            allowed="PEM certificates with the extended key usage 1.3.6.1.5.5.7.3.28",
        )


def _require_registration_usage(path: Path) -> None:
    # Read as strictly as a bundle; one that has expired may stand there.
    for position, certificate in enumerate(read_bundle(path, now_us=0).certificates, 1):
        if not _is_registration_authority(certificate):
            raise FileFault(f"certificate {position} lacks the usage id-kp-cmcRA")


def _is_registration_authority(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return REGISTRATION_AUTHORITY in usages.value


def _check_tls(settings: ServerSettings, given: Given) -> x509.Certificate | None:
    if settings.tls_cert_path is None or settings.tls_key_path is None:
        return None
    leaf = None
    try:
        leaf = read_certificates(settings.tls_cert_path)[0]
    except FileFault as err:
        given.refuse(
            server.SERVER_TLS_CERT_PATH,
            "",
            f"the certificate cannot be used: {err}",
            "mend the file or name another",
            came=shown(str(settings.tls_cert_path)),
            allowed="PEM certificates, the listener's own first",
        )
    try:
        _check_tls_key(settings.tls_key_path, leaf)
    except FileFault as err:
        given.refuse(
            server.SERVER_TLS_KEY_PATH,
            "",
            f"the key cannot be used: {err}",
            "mend the file or name another",
            came=shown(str(settings.tls_key_path)),
            allowed=f"an EC key, or RSA of {MIN_RSA_BITS} bits or more, PEM, no passphrase",
        )
        return None
    if _stat(settings.tls_key_path).st_mode & stat.S_IROTH:
        given.warn(
            server.SERVER_TLS_KEY_PATH,
            "",
            "every user of this machine can read the key",
            f"chmod 600 {settings.tls_key_path}",
        )
    return leaf


def _check_tls_key(path: Path, leaf: x509.Certificate | None) -> None:
    try:
        key = load_pem_private_key(_octets(path), None)
    except TypeError as err:
        raise FileFault("it is encrypted with a passphrase") from err
    except (ValueError, UnsupportedAlgorithm):
        # The library's words can quote the content, so they are not passed on.
        raise FileFault("it is no private key in PEM") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise FileFault(f"RSA of {key.key_size} bits")
    elif not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FileFault("it is neither an EC nor an RSA key")
    if leaf is None:
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        fits = leaf.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        fits = False
    if not fits:
        raise FileFault("it does not belong to the certificate")


def _check_ca(issuer: IssuerSettings, given: Given) -> x509.Certificate | None:
    """Whether the files are there and closed; the issuer judges what is in them."""
    source = issuer.ca_key_passphrase
    if source is not None and source.path is not None:
        try:
            _check_passphrase_file(source.path)
        except FileFault as err:
            given.refuse(
                issuing.CA_KEY_PASSPHRASE,
                issuer.id,
                f"its file cannot be used: {err}",
                "mend the file or name another",
            )
    check_programs(issuer, given)
    if issuer.ca_cert_path is None or (issuer.is_local and issuer.ca_key_path is None):
        return None
    try:
        if issuer.ca_key_path is not None and given.sound(issuer.id, issuing.CA_KEY_PATH):
            _check_ca_key_file(issuer.ca_key_path)
    except FileFault as err:
        given.refuse(
            issuing.CA_KEY_PATH,
            issuer.id,
            f"the CA's key cannot be used: {err}",
            "name a file that is there, and make it the server's own (chmod 600)",
            came=shown(str(issuer.ca_key_path)),
        )
    try:
        return read_certificates(issuer.ca_cert_path)[0]
    except FileFault as err:
        given.refuse(
            issuing.CA_CERT_PATH,
            issuer.id,
            f"the CA certificate cannot be used: {err}",
            "mend the file or name another",
            came=shown(str(issuer.ca_cert_path)),
        )
        return None


def _check_passphrase_file(path: Path) -> None:
    """Without reading it: the passphrase belongs to the authority alone."""
    if _stat(path).st_size == 0:
        raise FileFault("it is empty")


def _check_ca_key_file(path: Path) -> None:
    if _stat(path).st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise FileFault("every user of this machine can read or change it")


def _certificates(octets: bytes, expected: int) -> tuple[x509.Certificate, ...]:
    if expected == 0:
        raise FileFault("no certificate is in it" if octets.strip() else "it is empty")
    try:
        certificates = tuple(x509.load_pem_x509_certificates(octets))
    except UNREADABLE:
        raise FileFault("a certificate in it does not parse") from None
    if len(certificates) != expected:
        raise FileFault("a certificate in it does not parse")
    return certificates


def _octets(path: Path) -> bytes:
    _stat(path)
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as err:
        raise FileFault(f"it cannot be read: {err.strerror}") from err
    if len(octets) > MAX_OCTETS:
        raise FileFault(f"it is longer than {MAX_OCTETS} octets")
    return octets


def _stat(path: Path) -> os.stat_result:
    """Of a regular file: opening a named pipe would wait for ever."""
    try:
        found = path.stat()
    except OSError as err:
        raise FileFault(f"it cannot be read: {err.strerror}") from err
    if not stat.S_ISREG(found.st_mode):
        raise FileFault("it is not a regular file")
    return found
