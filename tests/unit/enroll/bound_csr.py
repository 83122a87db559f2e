"""CSRs that carry challenge attributes."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.harness.device import name

CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
ESTIDENTITY_LINKING = "1.2.840.113549.1.9.16.2.58"


def bound_csr(*values: tuple[str, str]) -> bytes:
    """A CSR (DER) with each (attribute OID, text) as a UTF8String."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("bound"))
    for oid, text in values:
        builder = builder.add_attribute(x509.ObjectIdentifier(oid), text.encode())
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(Encoding.DER)
