"""Extended key usages by the names in which people write them (RFC 5280 §4.2.1.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PURPOSES: Final[Mapping[str, str]] = {
    "anyExtendedKeyUsage": "2.5.29.37.0",
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "ipsecEndSystem": "1.3.6.1.5.5.7.3.5",
    "ipsecTunnel": "1.3.6.1.5.5.7.3.6",
    "ipsecUser": "1.3.6.1.5.5.7.3.7",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "eapOverPPP": "1.3.6.1.5.5.7.3.13",  # RFC 4334
    "eapOverLAN": "1.3.6.1.5.5.7.3.14",  # RFC 4334
    "ipsecIKE": "1.3.6.1.5.5.7.3.17",  # RFC 4945
    "secureShellClient": "1.3.6.1.5.5.7.3.21",  # RFC 6187
    "secureShellServer": "1.3.6.1.5.5.7.3.22",  # RFC 6187
    "cmcRA": "1.3.6.1.5.5.7.3.28",  # RFC 6402
    "documentSigning": "1.3.6.1.5.5.7.3.36",  # RFC 9336
    "pkinitClient": "1.3.6.1.5.2.3.4",  # RFC 4556
    "smartcardLogon": "1.3.6.1.4.1.311.20.2.2",
}
"""Dotted OIDs by name; every other purpose is written as its OID."""
