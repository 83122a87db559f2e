"""Rules about a key that only the records can answer (policy §2).

A key is refused that is a CA's own, is on record as compromised, or stands in an
unexpired certificate of another identity: another subject or other SANs, revoked or not,
of any profile. A renewal of a certificate with this same key goes on with that key; what
may change in it is for the rules of renewal to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.certificates import KeyFacts
from certctl.domain.errors import PolicyViolation
from certctl.domain.order import Order
from certctl.domain.policy import CertificateProfile
from certctl.domain.ports import Issuer, OutsideIssuer
from certctl.wire.identity import same_identity


def check_key_on_record(
    order: Order,
    profile: CertificateProfile,
    *,
    key: bytes,
    facts: KeyFacts | None,
    issuers: Iterable[Issuer | OutsideIssuer],
) -> None:
    """Judge a key by the records; ``key`` is the SHA-256 of its SubjectPublicKeyInfo.

    Raises:
        PolicyViolation: ``weak_key``.
    """
    if any(key in _keys_of(issuer.ca_chain()) for issuer in issuers):
        raise PolicyViolation("weak_key", wanted="a key of the device", got="the key of a CA")
    if facts is None:
        return
    if facts.compromised:
        raise PolicyViolation(
            "weak_key", wanted="a key in good hands", got="a key on record as compromised"
        )
    if profile.allow_key_reuse or any(use.certificate_id == order.renews for use in facts.uses):
        return
    for use in facts.uses:
        if not same_identity(order.subject_der, order.san_der, use.subject_der, use.san_der):
            raise PolicyViolation(
                "weak_key",
                wanted="one key for one identity",
                got="a key that stands in a certificate of another one",
            )


def key_of(order: Order) -> bytes:
    """The SHA-256 by which records know an order's key."""
    return hashlib.sha256(order.spki_der).digest()


@lru_cache(maxsize=64)
def _keys_of(chain: tuple[bytes, ...]) -> frozenset[bytes]:
    """Of a CA and all CAs above it."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return frozenset(
        hashlib.sha256(
            x509.load_der_x509_certificate(der).public_key().public_bytes(*form)
        ).digest()
        for der in chain
    )
