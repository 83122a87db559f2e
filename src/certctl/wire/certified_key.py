"""Whether a certificate (RFC 5280 §4.1) is for a given key, however either is encoded."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from certctl.domain.keys import PublicKey


def certifies_key(certificate_der: bytes, key: PublicKey) -> bool:
    """True when the certificate (DER) holds this key; a key we cannot load is another."""
    try:
        return x509.load_der_x509_certificate(certificate_der).public_key() == key
    except (ValueError, UnsupportedAlgorithm):
        return False
