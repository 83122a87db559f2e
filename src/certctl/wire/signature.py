"""Does a request's own signature hold (RFC 2986 §4.2, RFC 7030 §3.4)?

The common algorithms are verified with the key that is already loaded; the library's
own check, which loads it again, is for the rare ones. Only digests that are still worth
something count: SHA-1 and MD5 are as good as no signature.
"""

from __future__ import annotations

from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from certctl.domain.csr import Csr
from certctl.domain.errors import SignatureWrong
from certctl.domain.keys import KeyAlgorithm, algorithm_of

_STRONG_DIGESTS = frozenset(
    {"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"}
)

_PKCS1 = padding.PKCS1v15()


def check_proof(csr: Csr) -> None:
    """Verify the signature of a request with the key in it.

    Raises:
        SignatureWrong: it does not hold, or its digest is worth nothing.
    """
    algorithm = csr.signature_algorithm
    try:
        match algorithm_of(csr.public_key):
            case KeyAlgorithm.ECDSA if algorithm in _ECDSA:
                curve_key = cast("ec.EllipticCurvePublicKey", csr.public_key)
                curve_key.verify(csr.signature, csr.signed, _ECDSA[algorithm])
            case KeyAlgorithm.RSA if algorithm in _RSA:
                rsa_key = cast("rsa.RSAPublicKey", csr.public_key)
                rsa_key.verify(csr.signature, csr.signed, _PKCS1, _RSA[algorithm])
            case KeyAlgorithm.ECDSA | KeyAlgorithm.RSA:
                _check_rare(csr)
            case pure if pure is _PURE.get(algorithm):
                key = cast("ed25519.Ed25519PublicKey", csr.public_key)  # all verify alike
                key.verify(csr.signature, csr.signed)
            case _:
                raise SignatureWrong("made with another algorithm than the key's")
    except InvalidSignature as err:
        raise SignatureWrong from err


def _check_rare(csr: Csr) -> None:
    """RSASSA-PSS, SHA-3 and whatever else the library knows."""
    try:
        request = x509.load_der_x509_csr(csr.der)
        digest = request.signature_hash_algorithm
        if digest is None or digest.name not in _STRONG_DIGESTS:
            raise SignatureWrong(f"digest {digest.name if digest else 'unknown'} does not count")
        holds = request.is_signature_valid
    except (UnsupportedAlgorithm, ValueError) as err:
        raise SignatureWrong("signature algorithm not supported") from err
    if not holds:
        raise SignatureWrong


# By the DER of the AlgorithmIdentifier, RFC 5758 §3.2 (no parameters).
_ECDSA = {
    bytes.fromhex("300a06082a8648ce3d0403" + last): ec.ECDSA(digest)
    for last, digest in (
        ("02", hashes.SHA256()),
        ("03", hashes.SHA384()),
        ("04", hashes.SHA512()),
    )
}

# RFC 4055 §5: parameters NULL.
_RSA: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("300d06092a864886f70d0101" + last + "0500"): digest
    for last, digest in (
        ("0b", hashes.SHA256()),
        ("0c", hashes.SHA384()),
        ("0d", hashes.SHA512()),
    )
}

# RFC 8410 §3 and RFC 9881: the signature's algorithm is the key's.
_PURE = {
    bytes.fromhex(algorithm): kind
    for algorithm, kind in (
        ("300506032b6570", KeyAlgorithm.ED25519),
        ("300506032b6571", KeyAlgorithm.ED448),
        ("300b0609608648016503040311", KeyAlgorithm.ML_DSA_44),
        ("300b0609608648016503040312", KeyAlgorithm.ML_DSA_65),
        ("300b0609608648016503040313", KeyAlgorithm.ML_DSA_87),
    )
}
