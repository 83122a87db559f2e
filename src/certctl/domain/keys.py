"""Public keys: which there are, how one is read, and which are refused (policy §2).

One key has one encoding here: the AlgorithmIdentifier must be one of a closed table
and EC points must be uncompressed (RFC 5480 §2.2, RFC 3279 §2.3.1). So explicit curve
parameters never reach a library, and a key on record is found again by its octets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Struct

from certctl.domain.errors import PolicyViolation

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_EXPONENT_BITS = 256
"""Bounds the cost of a verification; nobody needs more than 65537."""


class KeyAlgorithm(StrEnum):
    """Algorithms as certificate profiles name them."""

    RSA = "RSA"
    ECDSA = "ECDSA"
    ED25519 = "Ed25519"
    ED448 = "Ed448"
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"


PublicKey = (
    ec.EllipticCurvePublicKey
    | rsa.RSAPublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)


class KeyDescription(Struct, frozen=True, kw_only=True):
    """Algorithm and size in bits: the modulus, the curve, or 0 where there is one size."""

    algorithm: KeyAlgorithm
    size: int = 0

    def __str__(self) -> str:
        return f"{self.algorithm.value}-{self.size}" if self.size else self.algorithm.value


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedKey:
    """One entry of a certificate profile: an algorithm and its smallest size in bits."""

    algorithm: KeyAlgorithm
    min_size: int = 0

    def __str__(self) -> str:
        return (
            f"{self.algorithm.value} from {self.min_size} bits"
            if self.min_size
            else str(self.algorithm.value)
        )


def load_public_key(spki_der: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo (DER).

    Raises:
        PolicyViolation: ``key_algorithm`` for an algorithm, curve or encoding that is
            not in the table; ``weak_key`` for octets that are no such key, such as a
            point off the curve or an RSA exponent of 1.
    """
    # SEQUENCE { AlgorithmIdentifier, BIT STRING }; lengths are the library's to check.
    start = 2 + (spki_der[1] & 0x7F if len(spki_der) > 1 and spki_der[1] & 0x80 else 0)
    end = start + 2 + (spki_der[start + 1] if len(spki_der) > start + 1 else 0)
    expected = _ALGORITHMS.get(spki_der[start:end])
    if expected is None or not spki_der.startswith(expected, end):
        raise PolicyViolation(
            "key_algorithm",
            wanted="an RSA key, an EC key on P-256, P-384 or P-521 with an uncompressed point, "
            "Ed25519, Ed448 or ML-DSA",
            got=f"algorithm {spki_der[start:end][:32].hex()}",
        )
    try:
        # The table above admits no other kind of key.
        return cast("PublicKey", load_der_public_key(spki_der))
    except (ValueError, UnsupportedAlgorithm) as err:
        raise PolicyViolation("weak_key", wanted="a valid public key", got=str(err)[:200]) from err


def algorithm_of(public_key: PublicKey) -> KeyAlgorithm:
    """Which of the algorithms a key is of."""
    return _algorithm_of(type(public_key))


def describe_key(public_key: PublicKey) -> KeyDescription:
    """What a profile and a record say about a key."""
    algorithm = algorithm_of(public_key)
    if algorithm in _SIZED:
        sized = cast("ec.EllipticCurvePublicKey | rsa.RSAPublicKey", public_key)
        return KeyDescription(algorithm=algorithm, size=sized.key_size)
    return KeyDescription(algorithm=algorithm)


def check_strength(public_key: PublicKey) -> None:
    """What no profile can allow; cheap, so it comes before any use of the key.

    Raises:
        PolicyViolation: ``key_size`` or ``weak_key``.
    """
    if algorithm_of(public_key) is not KeyAlgorithm.RSA:
        return
    public_key = cast("rsa.RSAPublicKey", public_key)
    bits = public_key.key_size
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise PolicyViolation(
            "key_size", wanted=f"RSA of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits", got=f"{bits} bits"
        )
    numbers = public_key.public_numbers()
    if numbers.n % 2 == 0:
        raise PolicyViolation("weak_key", wanted="an odd RSA modulus", got="an even one")
    if numbers.e < 3 or numbers.e % 2 == 0 or numbers.e.bit_length() > MAX_EXPONENT_BITS:
        raise PolicyViolation(
            "weak_key",
            wanted=f"an odd RSA exponent above 1 of at most {MAX_EXPONENT_BITS} bits",
            got=str(numbers.e)[:100] if numbers.e.bit_length() <= MAX_EXPONENT_BITS else "a giant",
        )


def check_key(public_key: PublicKey, allowed: Sequence[AllowedKey]) -> None:
    """A key that the profile allows and that is not weak.

    Raises:
        PolicyViolation: ``key_algorithm``, ``key_size`` or ``weak_key``.
    """
    check_strength(public_key)
    key = describe_key(public_key)
    sizes = [entry.min_size for entry in allowed if entry.algorithm is key.algorithm]
    if not sizes:
        raise PolicyViolation("key_algorithm", wanted=", ".join(map(str, allowed)), got=str(key))
    if key.size < min(sizes):
        raise PolicyViolation("key_size", wanted=", ".join(map(str, allowed)), got=str(key))


_SIZED = frozenset({KeyAlgorithm.ECDSA, KeyAlgorithm.RSA})

_CLASSES: tuple[tuple[type, KeyAlgorithm], ...] = (
    (ec.EllipticCurvePublicKey, KeyAlgorithm.ECDSA),
    (rsa.RSAPublicKey, KeyAlgorithm.RSA),
    (ed25519.Ed25519PublicKey, KeyAlgorithm.ED25519),
    (ed448.Ed448PublicKey, KeyAlgorithm.ED448),
    (mldsa.MLDSA44PublicKey, KeyAlgorithm.ML_DSA_44),
    (mldsa.MLDSA65PublicKey, KeyAlgorithm.ML_DSA_65),
    (mldsa.MLDSA87PublicKey, KeyAlgorithm.ML_DSA_87),
)


@lru_cache(maxsize=32)
def _algorithm_of(kind: type) -> KeyAlgorithm:
    """Asked once per class: an instance check against an abstract class costs as much as
    the rest of a key's checks together.
    """
    for base, algorithm in _CLASSES:
        if issubclass(kind, base):
            return algorithm
    raise TypeError(f"not a public key: {kind.__name__}")


# DER of each AlgorithmIdentifier, with how the key's BIT STRING begins where that is
# fixed: an uncompressed point (04) of the curve's size.
_ALGORITHMS = {
    bytes.fromhex(algorithm): bytes.fromhex(key)
    for algorithm, key in (
        ("301306072a8648ce3d020106082a8648ce3d030107", "03420004"),  # P-256
        ("301006072a8648ce3d020106052b81040022", "03620004"),  # P-384
        ("301006072a8648ce3d020106052b81040023", "0381860004"),  # P-521
        ("300d06092a864886f70d0101010500", "03"),  # rsaEncryption
        ("300506032b6570", "032100"),  # Ed25519
        ("300506032b6571", "033a00"),  # Ed448
        ("300b0609608648016503040311", "0382"),  # ML-DSA-44
        ("300b0609608648016503040312", "0382"),  # ML-DSA-65
        ("300b0609608648016503040313", "0382"),  # ML-DSA-87
    )
}
