"""Which peers may speak for clients (est §10, ``TRUSTED_PROXIES``).

Trust in a proxy means: its word counts that a client holds the key of the certificate it
forwards, and where that client came from. Everybody else's word about others is nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """Proxies by address or by the certificate they show us; empty means nobody.

    Attributes:
        networks: addresses whose every connection is a proxy's.
        fingerprints: SHA-256 of proxies' client certificates (DER), 32 octets each.
    """

    networks: tuple[Network, ...] = ()
    fingerprints: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.networks or self.fingerprints)

    def covers(self, address: Address) -> bool:
        """A proxy is at this address."""
        return any(address in network for network in self.networks)

    def by_address(self, peer: str) -> bool:
        """The same for the text of a peer's address, with or without an IPv6 zone."""
        return bool(self.networks) and self.covers(ip_address(peer.partition("%")[0]))

    def via(self, peer: str, peer_chain: Sequence[bytes]) -> str:
        """Name of the proxy at the other end for records; empty where it is none.

        ``peer_chain`` is what the peer itself showed (DER, leaf first): it proved to hold
        the first one's key, and nothing else about that certificate matters here.
        """
        if self.fingerprints and peer_chain:
            fingerprint = hashlib.sha256(peer_chain[0]).digest()
            if fingerprint in self.fingerprints:
                return f"{peer} cert:{fingerprint.hex()}"
        return peer if self.by_address(peer) else ""
