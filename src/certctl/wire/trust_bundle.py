"""The octets of a trust bundle: PEM certificates, and CRLs that are obeyed (est §3).

All or nothing. An anchor that is silently missing locks devices out, and a CRL that is
there but not obeyed only seems to protect; so whatever is not understood is a fault.
Serves the check of the settings and the workers alike.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from certctl.domain.clock import SECOND_US
from certctl.domain.plain_text import shown

MAX_BUNDLE = 8 * 1024 * 1024
"""Octets. All public roots of the web together have a quarter of a MiB; CRLs have more."""

_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"-----BEGIN ([^\r\n-]{0,60})-----[^-]*-----END \1-----")
_LABEL = re.compile(rb"-----BEGIN ([^\r\n-]{0,60})")


class BundleFault(ValueError):
    """A bundle that must not be used; ``problem`` and ``remedy`` are for the operator."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContents:
    """What stands in one bundle, in its order."""

    certificates: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]


def decode_bundle(pem: bytes, *, now_us: int) -> BundleContents:
    """Read a bundle.

    Raises:
        BundleFault: no certificate, something else than certificates and CRLs, one that is
            cut off or does not parse, a certificate that has expired, a CRL of a kind that
            says less than all (delta, indirect, partial), or one that bears the name of a
            certificate here and not its signature.
    """
    for label in _LABEL.findall(pem):
        _require_known(label)
    blocks = [(match.group(1), match.group()) for match in _BLOCK.finditer(pem)]
    if len(blocks) != pem.count(_BEGIN):
        raise BundleFault("something in it is cut off", "replace it by the whole file")
    certificates = tuple(
        _certificate(position, block, now_us)
        for position, block in enumerate(
            (block for label, block in blocks if label == b"CERTIFICATE"), 1
        )
    )
    if not certificates:
        problem = "no certificate is in it" if pem.strip() else "it is empty"
        raise BundleFault(problem, "put one or more PEM certificates into it")
    crls = tuple(_crl(block) for label, block in blocks if label == b"X509 CRL")
    for crl in crls:
        _require_signed(crl, certificates)
    return BundleContents(certificates=certificates, crls=crls)


def is_signed_by(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether this CA made this CRL; names are not compared."""
    try:
        return crl.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def is_current(crl: x509.CertificateRevocationList, now_us: int) -> bool:
    """Between thisUpdate and nextUpdate; without nextUpdate nobody can tell: no."""
    if crl.next_update_utc is None:
        return False
    first, last = crl.last_update_utc.timestamp(), crl.next_update_utc.timestamp()
    return int(first) * SECOND_US <= now_us <= int(last) * SECOND_US


def covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether a CRL of its issuer speaks of a certificate: one for a distribution point does
    so only of those that name it (RFC 5280 §6.3.3 (b)(2)).
    """
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    if point.full_name is None and point.relative_name is None:
        return True
    try:
        named = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return any(name in (each.full_name or ()) for each in named for name in point.full_name or ())


def _require_known(label: bytes) -> None:
    if label in (b"CERTIFICATE", b"X509 CRL"):
        return
    if label.endswith(b"PRIVATE KEY"):
        raise BundleFault(
            "it holds a private key", "remove it: a bundle is for public certificates"
        )
    raise BundleFault(
        f"it holds a PEM block {label[:32].decode('ascii', 'replace')!r}",
        "put only certificates and CRLs into it",
    )


def _certificate(position: int, block: bytes, now_us: int) -> x509.Certificate:
    try:
        with warnings.catch_warnings():
            # Of a serial number that is not positive; who trusts the certificate refuses it.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            certificate = x509.load_pem_x509_certificate(block)
        # A time that no calendar has (the year 0) is found only when it is asked for.
        ends_s = int(certificate.not_valid_after_utc.timestamp())
    except (ValueError, x509.InvalidVersion) as err:
        raise BundleFault(
            f"certificate {position} in it does not parse", "replace or remove it"
        ) from err
    if ends_s * SECOND_US < now_us:
        raise BundleFault(
            f"certificate {position} in it has expired on "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: {_name(certificate.subject)}",
            "replace or remove it, and check the clock of this machine",
        )
    return certificate


def _crl(block: bytes) -> x509.CertificateRevocationList:
    try:
        crl = x509.load_pem_x509_crl(block)
        extensions = list(crl.extensions)
        len(crl)
        is_current(crl, 0)
    except (ValueError, x509.DuplicateExtension) as err:
        raise BundleFault("a CRL in it does not parse", "fetch it anew, or remove it") from err
    for extension in extensions:
        if not _is_obeyed(extension):
            raise BundleFault(
                f"the CRL of {_name(crl.issuer)} in it is not a full one "
                f"(extension {extension.oid.dotted_string})",
                "put the CA's complete CRL in its place",
            )
    return crl


def _is_obeyed(extension: x509.Extension[x509.ExtensionType]) -> bool:
    """RFC 5280 §5.2: a list of some certificates, or of other CAs', says too little."""
    match extension.value:
        case x509.DeltaCRLIndicator():
            return False
        case x509.IssuingDistributionPoint() as point:
            return not (
                point.only_contains_user_certs
                or point.only_contains_ca_certs
                or point.only_contains_attribute_certs
                or point.indirect_crl
                or point.only_some_reasons
            )
        case x509.UnrecognizedExtension():
            return not extension.critical
        case _:
            return True


def _require_signed(
    crl: x509.CertificateRevocationList, certificates: tuple[x509.Certificate, ...]
) -> None:
    """A CRL of a CA that stands here too; another's is judged when that CA is shown."""
    named = [each for each in certificates if each.subject == crl.issuer]
    if named and not any(is_signed_by(crl, each) for each in named):
        raise BundleFault(
            f"the CRL of {_name(crl.issuer)} in it is not signed by that CA",
            "fetch it anew, or remove it",
        )


def _name(name: x509.Name) -> str:
    return shown(name.rfc4514_string())
