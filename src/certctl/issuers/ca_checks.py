"""Is this certificate, with this key and this chain, a CA that may sign for us?

RFC 5280 §4.2.1.9, §4.2.1.3, §6.1. Asked once, at start, so that a wrong file is a clear
refusal then and not a fleet of devices with certificates that nobody accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.clock import SECOND_US
from certctl.wire.der import SEQUENCE, children, expect
from certctl.wire.unreadable import UNREADABLE

MAX_CHAIN = 10
"""Certificates from the issuing CA to its root; real hierarchies have two to four."""

_RESTORE = "restore the file from its backup"
_ASK_PARENT = "ask the parent CA for a new certificate"


class CARefused(Exception):
    """CA files that must not or cannot be used; tells the operator how to mend them."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, in its order.

    Raises:
        CARefused: missing, unreadable, empty, or not all certificates parse.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as err:
        raise CARefused(path, "there is no such CA certificate file", _RESTORE) from err
    except OSError as err:
        raise CARefused(path, f"cannot be read ({err.strerror})", "mend its permissions") from err
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except UNREADABLE as err:
        raise CARefused(path, "is not a file of PEM certificates", _RESTORE) from err


def check_ca(
    path: Path, chain: Sequence[x509.Certificate], *, spki_der: bytes, now_us: int
) -> None:
    """Check an issuing CA (first of ``chain``), its key and its way up to the root.

    Raises:
        CARefused: each fault with its own words.
    """
    if len(chain) > MAX_CHAIN:
        raise CARefused(path, f"holds more than {MAX_CHAIN} certificates", "remove the others")
    _check_key(path, chain, spki_der)
    for position, certificate in enumerate(chain):
        where = "the CA certificate" if position == 0 else f"certificate {position + 1}"
        _check_validity(path, certificate, where, now_us)
        _check_may_sign(path, certificate, where)
    _check_order(path, chain)
    _check_path_length(path, chain)


def name_der(certificate: x509.Certificate) -> bytes:
    """The subject exactly as it stands in the certificate: no string type is changed."""
    tbs = certificate.tbs_certificate_bytes
    fields = children(tbs, *expect(tbs, 0, len(tbs), SEQUENCE))
    # The version is left out of version 1: count from its place.
    subject = fields[5] if fields[0][0] == 0xA0 else fields[4]
    return tbs[subject[1] : subject[3]]


def public_key_der(certificate: x509.Certificate) -> bytes:
    """SubjectPublicKeyInfo (DER)."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_key(path: Path, chain: Sequence[x509.Certificate], spki_der: bytes) -> None:
    try:
        keys = [public_key_der(certificate) for certificate in chain]
    except (UnsupportedAlgorithm, ValueError) as err:
        raise CARefused(path, "holds a key of an unknown kind", _ASK_PARENT) from err
    if keys[0] == spki_der:
        return
    if spki_der in keys:
        raise CARefused(
            path,
            "the certificate of the CA key is not the first one",
            "put the issuing CA first, then its parents up to the root",
        )
    raise CARefused(
        path,
        "the CA key does not belong to the CA certificate",
        "use the key and the certificate that were made for each other",
    )


def _check_validity(path: Path, certificate: x509.Certificate, where: str, now_us: int) -> None:
    now = datetime.fromtimestamp(now_us / SECOND_US, UTC)
    if now < certificate.not_valid_before_utc:
        raise CARefused(
            path,
            f"{where} is not yet valid (from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z, "
            f"it is {now:%Y-%m-%d %H:%M}Z)",
            "check the clock of this machine",
        )
    if now > certificate.not_valid_after_utc:
        raise CARefused(
            path,
            f"{where} has expired (on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z)",
            "replace it by a valid one",
        )


def _check_may_sign(path: Path, certificate: x509.Certificate, where: str) -> None:
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as err:
        raise CARefused(path, f"{where} has broken extensions", _ASK_PARENT) from err
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        raise CARefused(
            path, f"{where} is not a CA certificate (BasicConstraints without CA)", _ASK_PARENT
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise CARefused(
            path, f"{where} may not sign certificates (KeyUsage without keyCertSign)", _ASK_PARENT
        )


def _check_order(path: Path, chain: Sequence[x509.Certificate]) -> None:
    for position, (certificate, parent) in enumerate(pairwise(chain), 1):
        if not _issued_by(certificate, parent):
            raise CARefused(
                path,
                f"certificate {position + 1} did not issue certificate {position}",
                "put the issuing CA first, then each parent up to the root, nothing else",
            )
    if not _issued_by(chain[-1], chain[-1]):
        # RFC 7030 §4.1.3: cacerts must hold the root, so it has to be known here.
        raise CARefused(
            path,
            "the chain does not end in a self-signed root",
            "append the missing parents up to the root",
        )


def _issued_by(certificate: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_path_length(path: Path, chain: Sequence[x509.Certificate]) -> None:
    below = 0
    for position, certificate in enumerate(chain, 1):
        value = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if value.path_length is not None and below > value.path_length:
            raise CARefused(
                path,
                f"certificate {position} allows {value.path_length} CAs below it, and there are "
                f"{below} (path length)",
                "ask its owner for a longer path, or sign under a CA higher up",
            )
        # RFC 5280 §6.1.4 (l): self-issued certificates do not count.
        below += certificate.subject != certificate.issuer
