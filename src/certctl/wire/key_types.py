"""The OIDs of key algorithms and curves (RFC 8017, RFC 5480, RFC 8410, FIPS 204)."""

from __future__ import annotations

from certctl.domain.keys import AllowedKey, KeyAlgorithm

EC_PUBLIC_KEY = "1.2.840.10045.2.1"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"

FIXED_SIZE = {
    KeyAlgorithm.ED25519: "1.3.101.112",
    KeyAlgorithm.ED448: "1.3.101.113",
    KeyAlgorithm.ML_DSA_44: "2.16.840.1.101.3.4.3.17",
    KeyAlgorithm.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
    KeyAlgorithm.ML_DSA_87: "2.16.840.1.101.3.4.3.19",
}
"""Algorithms whose OID says the size, too."""

_CURVES = ((256, "1.2.840.10045.3.1.7"), (384, "1.3.132.0.34"), (521, "1.3.132.0.35"))


def curve_for(key: AllowedKey) -> str:
    """The smallest curve that an entry for ECDSA allows."""
    return next((oid for size, oid in _CURVES if size >= key.min_size), _CURVES[-1][1])
