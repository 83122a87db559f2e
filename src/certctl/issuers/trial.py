"""Trying an issuer without issuing anything (issuers §4).

What is signed begins with a text: no octets of DER, so it can be taken for no
TBSCertificate, TBSCertList or anything else that a CA signs (RFC 5280 §4.1, §5.1).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from certctl.domain.clock import SECOND_US
from certctl.domain.errors import IssuerUnavailable
from certctl.domain.stored_issuers import Trial
from certctl.issuers.signers.port import Signer

NOT_A_CERTIFICATE = b"certctl trial of an issuer: this is no certificate\n"

NONCE_OCTETS = 32

SIGNED = "signed a fresh nonce with the CA key and verified it with the CA certificate"


def try_signer(
    signer: Signer,
    chain: Sequence[bytes],
    *,
    now_us: int,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Trial:
    """Have the CA's key sign something that is no certificate, and verify it."""

    def found(problem: str = "", remedy: str = "") -> Trial:
        return Trial(tried=SIGNED, chain=tuple(chain), problem=problem, remedy=remedy)

    nonce = NOT_A_CERTIFICATE + random(NONCE_OCTETS)
    try:
        signature = signer.sign(nonce)
    except IssuerUnavailable as err:
        return found(f"the CA key cannot be used: {err}", "look after the signer that holds it")
    key = x509.load_der_x509_certificate(chain[0]).public_key()
    if not verifies(key, signature, nonce):
        return found(
            "what the CA key signs does not verify with the CA certificate",
            "bring back the key and the certificate that were made for each other",
        )
    return found(*validity_fault(chain, now_us))


def validity_fault(chain: Sequence[bytes], now_us: int) -> tuple[str, str]:
    """Problem and remedy of a chain that is not valid now; empty where it is."""
    now = datetime.fromtimestamp(now_us / SECOND_US, UTC)
    for position, der in enumerate(chain, 1):
        certificate = x509.load_der_x509_certificate(der)
        if now < certificate.not_valid_before_utc:
            return (
                f"certificate {position} of the chain is not valid yet",
                "check the clock of this machine",
            )
        if now > certificate.not_valid_after_utc:
            return (
                f"certificate {position} of the chain has expired",
                "move the EST profiles to another issuer",
            )
    return "", ""


def verifies(key: object, signature: bytes, data: bytes) -> bool:
    """Whether a signature is one of ``FileSigner`` over ``data`` with this public key."""
    try:
        match key:
            case rsa.RSAPublicKey():
                key.verify(signature, data, padding.PKCS1v15(), SHA256())
            case ec.EllipticCurvePublicKey():
                large = isinstance(key.curve, ec.SECP384R1)
                key.verify(signature, data, ec.ECDSA(SHA384() if large else SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(signature, data)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
