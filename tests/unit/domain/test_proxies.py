"""Who may speak for clients: by address, by certificate, and nobody by default."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network

import pytest

from certctl.domain.proxies import TrustedProxies

LEAF = b"a certificate"
FINGERPRINT = hashlib.sha256(LEAF).digest()
BY_BOTH = TrustedProxies(
    networks=(ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"), ip_network("fe80::/64")),
    fingerprints=frozenset({FINGERPRINT}),
)


@pytest.mark.parametrize("peer", ["192.0.2.15", "2001:db8::ffff", "fe80::1%eth0"])
def test_by_address(peer: str) -> None:
    assert BY_BOTH.by_address(peer)
    assert BY_BOTH.via(peer, ()) == peer
    assert BY_BOTH.via(peer, (b"another certificate",)) == peer


@pytest.mark.parametrize("peer", ["192.0.2.16", "2001:db8:0:1::1", "::ffff:192.0.2.1"])
def test_stranger(peer: str) -> None:
    assert not BY_BOTH.by_address(peer)
    assert BY_BOTH.via(peer, ()) == ""
    # Only the certificate whose key was proven counts, not what was sent along with it.
    assert BY_BOTH.via(peer, (b"another certificate", LEAF)) == ""


def test_by_certificate() -> None:
    assert BY_BOTH.via("198.51.100.1", (LEAF,)) == f"198.51.100.1 cert:{FINGERPRINT.hex()}"
    # What a certificate says of itself tells nothing about the connections of its address.
    assert not BY_BOTH.by_address("198.51.100.1")


def test_nobody_by_default() -> None:
    nobody = TrustedProxies()
    assert not nobody
    assert not nobody.by_address("127.0.0.1")
    assert nobody.via("127.0.0.1", (LEAF,)) == ""
