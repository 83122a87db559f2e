"""Keys that others can break, by checks that never ask the network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certctl.domain.errors import PolicyViolation
from certctl.domain.known_weak import check_known_weak
from tests.harness import weak_keys


def refusal_of(modulus: int, exponent: int = 65_537) -> str:
    with pytest.raises(PolicyViolation) as refused:
        check_known_weak(rsa.RSAPublicNumbers(exponent, modulus).public_key())
    assert refused.value.dimension == "weak_key"
    return refused.value.got


def test_close_primes_are_found() -> None:
    assert refusal_of(weak_keys.close_primes().public_key().public_numbers().n) == "fermat"


def test_roca_is_found() -> None:
    assert refusal_of(weak_keys.roca().public_key().public_numbers().n) == "roca"


def test_a_small_factor_is_found() -> None:
    factor = int(gmpy2.next_prime(65_000))
    assert "smallfactors" in refusal_of(factor * int(gmpy2.next_prime(3 << 2030)))


def test_good_keys_of_each_kind_pass() -> None:
    for key in (
        rsa.generate_private_key(public_exponent=65_537, key_size=2_048),
        rsa.generate_private_key(public_exponent=65_537, key_size=3_072),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        check_known_weak(key.public_key())


def test_neither_loading_nor_checking_asks_the_network() -> None:
    program = """
import sys
def forbidden(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"):
        sys.stderr.write(f"{event} {args}")
        raise SystemExit(9)
sys.addaudithook(forbidden)
from certctl.domain.known_weak import check_known_weak
from cryptography.hazmat.primitives.asymmetric import rsa
check_known_weak(rsa.generate_private_key(65537, 2048).public_key())
"""
    source = Path(__file__).parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
