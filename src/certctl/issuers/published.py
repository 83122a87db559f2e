"""What a CA certificate alone tells of the CA: enough to encode its CRL and to name it in OCSP.

For processes that have no key of it.
"""

from __future__ import annotations

from cryptography import x509

from certctl.issuers.ca_checks import name_der, public_key_der
from certctl.issuers.signers.file import signature_algorithm
from certctl.wire.certificate import key_identifier
from certctl.wire.crl import CrlIssuer
from certctl.wire.ocsp_request import OcspIssuer


def crl_issuer(certificate: x509.Certificate, *, algorithm_der: bytes | None = None) -> CrlIssuer:
    """The CA as its CRLs name it.

    ``algorithm_der`` is the AlgorithmIdentifier of its signatures; None: what a key of
    that kind signs with here.

    Raises:
        TypeError: None was given, and a key of that kind signs nothing here.
    """
    return CrlIssuer(
        algorithm_der=algorithm_der or signature_algorithm(certificate.public_key()),
        issuer_der=name_der(certificate),
        key_identifier=_subject_key_identifier(certificate),
    )


def ocsp_issuer(certificate: x509.Certificate) -> OcspIssuer:
    """The CA as CertIDs name it."""
    return OcspIssuer(issuer_der=name_der(certificate), spki_der=public_key_der(certificate))


def _subject_key_identifier(certificate: x509.Certificate) -> bytes:
    """What an AKI must repeat: the CA's own SKI, whatever its method was."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return key_identifier(public_key_der(certificate))
    return found.value.digest
