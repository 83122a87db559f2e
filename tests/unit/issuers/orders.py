"""Orders for the CA under test, and certificates read back."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from certctl.domain.order import Order
from certctl.domain.profiles import AuthMode, Operation

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def spki_of(key: Any) -> bytes:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(der, bytes)
    return der


def order(**changes: Any) -> Order:
    settings: dict[str, Any] = {
        "request_id": "r1",
        "operation": Operation.SIMPLEENROLL,
        "profile": "iot",
        "certificate_profile": "default",
        "issuer_id": "iss-local",
        "principal": "anonymous",
        "auth_mode": AuthMode.ANONYMOUS,
        "source_address": "127.0.0.1",
        "tls_version": "TLSv1.3",
        "channel_binding": "",
        "subject_der": x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, "device")]
        ).public_bytes(),
        "spki_der": b"",
        "san_der": b"",
        "key_agreement": False,
        "csr_der": b"",
        "csr_sha256": b"",
        "repetition_key": b"",
    }
    return Order(**(settings | changes))
