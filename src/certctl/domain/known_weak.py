"""RSA keys that are known to be breakable: ROCA, close or shared primes and their kin.

The checks are those of ``badkeys`` that come with the package; its block list would have
to be fetched from the network and is not used. They cost 0.8 ms for RSA-2048, so a
verdict is remembered; for other algorithms there is nothing to check. Imported only by
processes that judge requests: loading takes a tenth of a second.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from badkeys.checks import checkrsa
from cryptography.hazmat.primitives.asymmetric import rsa

from certctl.domain.errors import PolicyViolation
from certctl.domain.keys import KeyAlgorithm, PublicKey, algorithm_of

# By the names of badkeys. "pattern" and "xzbackdoor" are left out: false alarms; the
# warnings are about sizes, which are judged by the profile.
_CHECKS = (
    "fermat",
    "roca",
    "rsainvalid",
    "rsapoly",
    "sharedprimes",
    "smalld",
    "smallfactors",
)

# An RSA-4096 modulus is half a kilobyte: two megabytes at most.
_REMEMBERED = 4_096


def check_known_weak(public_key: PublicKey) -> None:
    """Refuse an RSA key that others can compute the private key of.

    Raises:
        PolicyViolation: ``weak_key``.
    """
    if algorithm_of(public_key) is not KeyAlgorithm.RSA:
        return
    numbers = cast("rsa.RSAPublicKey", public_key).public_numbers()
    found = _findings(numbers.n, numbers.e)
    if found:
        raise PolicyViolation("weak_key", wanted="a key that is not known to be weak", got=found)


@lru_cache(maxsize=_REMEMBERED)
def _findings(modulus: int, exponent: int) -> str:
    return ", ".join(sorted(checkrsa(modulus, e=exponent, checks=_CHECKS)))
