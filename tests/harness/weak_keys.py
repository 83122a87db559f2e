"""RSA keys that anybody can break, made on purpose: ROCA, close primes, a small factor."""

from __future__ import annotations

import secrets
from functools import cache
from math import prod

import gmpy2
from cryptography.hazmat.primitives.asymmetric import rsa

EXPONENT = 65_537
PRIME_BITS = 1_024
# The generator of the flawed library: primes k*M + (65537^a mod M), M the product of the
# first 126 primes for keys of 2048 bits.
_ROCA_PRIMES = 126


@cache
def roca() -> rsa.RSAPrivateKey:
    primes = [2]
    while len(primes) < _ROCA_PRIMES:
        primes.append(int(gmpy2.next_prime(primes[-1])))
    return _key(_roca_prime(prod(primes)), _roca_prime(prod(primes)))


@cache
def close_primes() -> rsa.RSAPrivateKey:
    first = int(gmpy2.next_prime((3 << (PRIME_BITS - 2)) | secrets.randbits(PRIME_BITS - 2)))
    return _key(first, int(gmpy2.next_prime(first + (1 << 80))))


def _roca_prime(modulus: int) -> int:
    # The two top bits are set, so that a product of two has its full size.
    least, most = (3 << (PRIME_BITS - 2)) // modulus + 1, (1 << PRIME_BITS) // modulus - 1
    while True:
        multiple = least + secrets.randbelow(most - least)
        prime = multiple * modulus + pow(EXPONENT, secrets.randbelow(1 << 60), modulus)
        if gmpy2.is_prime(prime):
            return prime


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    p, q = max(p, q), min(p, q)
    d = pow(EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)
