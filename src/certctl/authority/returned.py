"""What a CA outside gave back, held against the order (issuers §1). Nothing is believed.

Two questions with two consequences: is it a certificate of that CA at all (else nothing
is known about what it did), and is it the one ordered (else it is an orphan).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.authority.intents import Ordered
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import IssuerMisbehaved, RequestMalformed
from certctl.domain.ports import SignedCertificate
from certctl.wire.certificate import EMPTY_NAME
from certctl.wire.general_names import decode_general_names
from certctl.wire.identity import comparable_names
from certctl.wire.names import decode_name
from certctl.wire.unreadable import UNREADABLE, quiet

# The clock of a CA outside may be ahead of ours so much.
CLOCK_SKEW_US = 300 * SECOND_US

MAX_SERIAL_BITS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A certificate of the CA, read. ``sans`` and ``subject`` are texts for people."""

    signed: SignedCertificate
    subject: str
    subject_der: bytes
    sans: tuple[str, ...]
    san_der: bytes
    spki_der: bytes
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(self.signed.der).digest()


def read_returned(der: bytes, chain: tuple[bytes, ...]) -> Returned:
    """Read a certificate that the first one of ``chain`` has signed.

    Raises:
        IssuerMisbehaved: it is no certificate, or none of this CA.
    """
    try:
        with quiet():
            certificate = x509.load_der_x509_certificate(der)
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(chain[0]))
            subject_der, san_der = certificate.subject.public_bytes(), _san_of(certificate)
            returned = Returned(
                signed=SignedCertificate(
                    der=der,
                    serial=f"{certificate.serial_number:x}",
                    not_before_us=int(certificate.not_valid_before_utc.timestamp()) * SECOND_US,
                    not_after_us=int(certificate.not_valid_after_utc.timestamp()) * SECOND_US,
                ),
                subject=decode_name(subject_der).text(),
                subject_der=subject_der,
                sans=tuple(map(str, decode_general_names(san_der))) if san_der else (),
                san_der=san_der,
                spki_der=certificate.public_key().public_bytes(
                    Encoding.DER, PublicFormat.SubjectPublicKeyInfo
                ),
                certificate=certificate,
            )
    except InvalidSignature:
        raise IssuerMisbehaved("the certificate is not signed by the issuer's CA") from None
    except (*UNREADABLE, RequestMalformed) as err:
        raise IssuerMisbehaved(f"the certificate cannot be used ({type(err).__name__})") from err
    # Not by its length alone: a negative number has one, too.
    if not 0 < int(returned.signed.serial, 16) < 1 << MAX_SERIAL_BITS:
        raise IssuerMisbehaved("the certificate's serial number is none (RFC 5280 §4.1.2.2)")
    return returned


def differences(returned: Returned, ordered: Ordered, *, now_us: int) -> tuple[str, ...]:
    """In what a certificate is not the one ordered; nothing where it is."""
    order, terms, certificate = ordered.order, ordered.terms, returned.certificate
    found = []
    if returned.spki_der != order.spki_der:
        found.append("public key")
    if comparable_names(returned.subject_der, b"") != comparable_names(order.subject_der, b""):
        found.append("subject")
    wanted_sans = comparable_names(EMPTY_NAME, order.san_der)
    if comparable_names(EMPTY_NAME, returned.san_der) != wanted_sans:
        found.append("subjectAltName")
    if _ekus_of(certificate) != frozenset(terms.ekus):
        found.append("extendedKeyUsage")
    if _may_sign_certificates(certificate):
        found.append("CA")
    if terms.must_staple and not _must_staple(certificate):
        found.append("status_request")
    signed = returned.signed
    if (
        signed.not_after_us > now_us + terms.lifetime_us
        or signed.not_after_us <= now_us
        or signed.not_before_us > now_us + CLOCK_SKEW_US
    ):
        found.append("validity")
    return tuple(found)


def _san_of(certificate: x509.Certificate) -> bytes:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return b""
    return found.value.public_bytes()


def _ekus_of(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(each.dotted_string for each in found.value)


def _may_sign_certificates(certificate: x509.Certificate) -> bool:
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return True
        if isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign):
            return True
    return False


def _must_staple(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.TLSFeature)
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in found.value
