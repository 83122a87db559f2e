"""Public keys: one encoding each, and none that is weak."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import (
    dsa,
    ec,
    ed448,
    ed25519,
    mldsa,
    rsa,
    x448,
    x25519,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import (
    AllowedKey,
    KeyAlgorithm,
    PublicKey,
    check_key,
    check_strength,
    describe_key,
    load_public_key,
)
from certctl.wire.der import BIT_STRING, INTEGER, SEQUENCE, encode, encode_oid

ECDSA = AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=256)
RSA = AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=2048)

P256 = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA_2048 = rsa.generate_private_key(65537, 2048).public_key()
MODULUS = RSA_2048.public_numbers().n

KEYS: dict[str, PublicKey] = {
    "ECDSA-256": P256,
    "ECDSA-384": ec.generate_private_key(ec.SECP384R1()).public_key(),
    "ECDSA-521": ec.generate_private_key(ec.SECP521R1()).public_key(),
    "RSA-2048": RSA_2048,
    "Ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
    "Ed448": ed448.Ed448PrivateKey.generate().public_key(),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate().public_key(),
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate().public_key(),
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate().public_key(),
}


def spki_of(key: PublicKey | dsa.DSAPublicKey | x25519.X25519PublicKey | x448.X448PublicKey):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def integer(value: int) -> bytes:
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def rsa_spki(n: int, e: int, algorithm: str = "06092a864886f70d0101010500") -> bytes:
    numbers = encode(SEQUENCE, integer(n), integer(e))
    identifier = encode(SEQUENCE, bytes.fromhex(algorithm))
    return encode(SEQUENCE, identifier, encode(BIT_STRING, b"\x00", numbers))


def ec_spki(point: bytes, parameters: bytes) -> bytes:
    identifier = encode(SEQUENCE, encode_oid("1.2.840.10045.2.1"), parameters)
    return encode(SEQUENCE, identifier, encode(BIT_STRING, b"\x00", point))


POINT = P256.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
COMPRESSED = P256.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
ON_P256 = encode_oid("1.2.840.10045.3.1.7")

# RFC 3279 §2.3.5: the parameters of P-256 written out, which a library may well accept.
EXPLICIT_P256 = bytes.fromhex(
    "3081e0020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffff"
    "ffffffffffffffff30440420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"
    "04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b0441046b17d1f2e12c42"
    "47f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33"
    "576b315ececbb6406837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2"
    "fc632551020101"
)


@pytest.mark.parametrize("described", KEYS)
def test_every_algorithm_is_loaded_and_described(described):
    key = load_public_key(spki_of(KEYS[described]))
    assert key == KEYS[described]
    assert str(describe_key(key)) == described
    check_strength(key)


@pytest.mark.parametrize(
    ("spki", "dimension"),
    [
        pytest.param(b"", "key_algorithm", id="nothing"),
        pytest.param(b"\x30", "key_algorithm", id="one octet"),
        pytest.param(b"\x30\x82", "key_algorithm", id="two octets"),
        pytest.param(b"\x30\x00", "key_algorithm", id="empty"),
        pytest.param(
            RSA_2048.public_bytes(Encoding.DER, PublicFormat.PKCS1), "key_algorithm", id="PKCS#1"
        ),
        pytest.param(ec_spki(POINT, EXPLICIT_P256), "key_algorithm", id="explicit P-256"),
        pytest.param(ec_spki(POINT, b"\x05\x00"), "key_algorithm", id="curve NULL"),
        pytest.param(ec_spki(POINT, b""), "key_algorithm", id="no curve"),
        pytest.param(ec_spki(POINT, encode_oid("1.3.132.0.10")), "key_algorithm", id="secp256k1"),
        pytest.param(ec_spki(POINT, encode_oid("1.3.132.0.33")), "key_algorithm", id="P-224"),
        pytest.param(
            ec_spki(POINT, encode_oid("1.3.36.3.3.2.8.1.1.7")), "key_algorithm", id="brainpool"
        ),
        pytest.param(ec_spki(POINT, encode_oid("1.3.132.0.34")), "key_algorithm", id="wrong curve"),
        pytest.param(ec_spki(COMPRESSED, ON_P256), "key_algorithm", id="compressed point"),
        pytest.param(
            ec_spki(bytes((6 + POINT[-1] % 2,)) + POINT[1:], ON_P256), "key_algorithm", id="hybrid"
        ),
        pytest.param(ec_spki(b"\x00", ON_P256), "key_algorithm", id="infinity"),
        pytest.param(
            ec_spki(POINT[:-1] + bytes((POINT[-1] ^ 1,)), ON_P256), "weak_key", id="off the curve"
        ),
        pytest.param(ec_spki(b"\x04" + bytes(64), ON_P256), "weak_key", id="origin"),
        pytest.param(ec_spki(POINT, ON_P256) + b"\x00", "weak_key", id="octets after it"),
        pytest.param(rsa_spki(MODULUS, 1), "weak_key", id="e=1"),
        pytest.param(rsa_spki(MODULUS, 0), "weak_key", id="e=0"),
        pytest.param(rsa_spki(MODULUS, 2), "weak_key", id="e=2"),
        pytest.param(rsa_spki(MODULUS, MODULUS + 2), "weak_key", id="e>n"),
        pytest.param(rsa_spki(-MODULUS, 3), "weak_key", id="negative n"),
        pytest.param(
            rsa_spki(MODULUS, 3, "06092a864886f70d010101"), "key_algorithm", id="RSA without NULL"
        ),
        pytest.param(
            rsa_spki(MODULUS, 3, "06092a864886f70d01010a"), "key_algorithm", id="RSASSA-PSS key"
        ),
        pytest.param(
            spki_of(dsa.generate_private_key(2048).public_key()), "key_algorithm", id="DSA"
        ),
        pytest.param(
            spki_of(x25519.X25519PrivateKey.generate().public_key()), "key_algorithm", id="X25519"
        ),
        pytest.param(
            spki_of(x448.X448PrivateKey.generate().public_key()), "key_algorithm", id="X448"
        ),
        pytest.param(rsa_spki(MODULUS, 3, "06042a030405"), "key_algorithm", id="unknown"),
    ],
)
def test_what_is_no_usable_key_is_refused(spki, dimension):
    with pytest.raises(PolicyViolation) as caught:
        load_public_key(spki)
    assert caught.value.dimension == dimension
    assert len(caught.value.got) <= 200


def test_a_key_cut_at_each_octet_is_refused():
    whole = spki_of(P256)
    for length in range(len(whole)):
        with pytest.raises(PolicyViolation):
            load_public_key(whole[:length])


@pytest.mark.parametrize(
    ("n", "e", "dimension"),
    [
        pytest.param((1 << 511) | 1, 65537, "key_size", id="512"),
        pytest.param((1 << 1023) | 1, 65537, "key_size", id="1024"),
        pytest.param((1 << 2046) | 1, 65537, "key_size", id="2047"),
        pytest.param((1 << 8192) | 1, 65537, "key_size", id="8193"),
        pytest.param((1 << 16383) | 1, 65537, "key_size", id="16384"),
        pytest.param((1 << 400_000) | 1, 65537, "key_size", id="400,001"),
        pytest.param(MODULUS - 1, 65537, "weak_key", id="even modulus"),
        pytest.param(MODULUS, 65536, "weak_key", id="even exponent"),
        pytest.param(MODULUS, (1 << 256) | 1, "weak_key", id="giant exponent"),
    ],
)
def test_weak_rsa_keys_are_refused_whatever_a_profile_says(n, e, dimension):
    lax = AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=1)
    with pytest.raises(PolicyViolation) as caught:
        check_key(load_public_key(rsa_spki(n, e)), [lax])
    assert caught.value.dimension == dimension


@pytest.mark.parametrize("e", [3, 17, 65537, (1 << 255) | 1])
def test_odd_exponents_pass(e):
    check_key(load_public_key(rsa_spki(MODULUS, e)), [RSA])


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_rsa_sizes_within_the_bounds_pass(bits):
    check_key(load_public_key(rsa_spki((1 << (bits - 1)) | 1, 65537)), [RSA])


@pytest.mark.parametrize(
    ("described", "allowed", "dimension"),
    [
        ("ECDSA-256", [ECDSA, RSA], None),
        ("ECDSA-384", [ECDSA, RSA], None),
        ("RSA-2048", [ECDSA, RSA], None),
        ("Ed25519", [ECDSA, RSA], "key_algorithm"),
        ("ML-DSA-65", [ECDSA, RSA], "key_algorithm"),
        ("ECDSA-256", [RSA], "key_algorithm"),
        ("RSA-2048", [ECDSA], "key_algorithm"),
        ("ECDSA-256", [AllowedKey(algorithm=KeyAlgorithm.ECDSA, min_size=384)], "key_size"),
        ("RSA-2048", [AllowedKey(algorithm=KeyAlgorithm.RSA, min_size=3072)], "key_size"),
        ("Ed448", [AllowedKey(algorithm=KeyAlgorithm.ED448)], None),
        ("Ed448", [AllowedKey(algorithm=KeyAlgorithm.ED25519)], "key_algorithm"),
        ("ML-DSA-87", [AllowedKey(algorithm=KeyAlgorithm.ML_DSA_87)], None),
        ("ML-DSA-44", [AllowedKey(algorithm=KeyAlgorithm.ML_DSA_87)], "key_algorithm"),
        ("ECDSA-256", [], "key_algorithm"),
    ],
)
def test_a_profile_names_algorithms_and_their_smallest_size(described, allowed, dimension):
    key = KEYS[described]
    if dimension is None:
        check_key(key, allowed)
        return
    with pytest.raises(PolicyViolation) as caught:
        check_key(key, allowed)
    assert (caught.value.dimension, caught.value.got) == (dimension, described)
