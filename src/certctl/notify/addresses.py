"""Which addresses a receiver of events may have: the guard against SSRF.

A webhook's URL must not make this server a way into the network it stands in. So a name
is resolved here, all its addresses are judged, and one of those very addresses is what is
connected to: a name that means another address a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

from certctl.domain.ports import DeliveryFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address that a translator connects to."""

LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: translation within a network, by rules of its own."""

MOST_ADDRESSES: Final = 4
"""Of one name that are tried."""


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Addresses of a host that may be connected to, in the order of the resolver.

    Raises:
        DeliveryFailed: it has none, or any of them is not allowed.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        raise DeliveryFailed("its name cannot be resolved") from err
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        require_allowed(address, allow_private=allow_private)
    return addresses[:MOST_ADDRESSES]


def require_allowed(text: str, *, allow_private: bool) -> None:
    """Judge one address as the resolver gives it.

    Raises:
        DeliveryFailed: it is not allowed.
    """
    # A scope (%eth0) only makes sense for link-local ones; it changes nothing here.
    address = ipaddress.ip_address(text.partition("%")[0])
    if allow_private:
        if address.is_unspecified or address.is_multicast:
            raise DeliveryFailed(f"its address {address} is no receiver's")
    elif not is_public(address):
        raise DeliveryFailed(
            f"its address {address} is not public; CERTCTL_WEBHOOK_ALLOW_PRIVATE=true allows it"
        )


def is_public(address: Address) -> bool:
    """Whether it is an address of the internet, and so is each that it stands for."""
    inner = _inner(address)
    if inner:
        return all(map(is_public, inner))
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
        and address not in LOCAL_NAT64
    )


def _inner(address: Address) -> list[ipaddress.IPv4Address]:
    """IPv4 addresses that an IPv6 address carries to where they are used."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    return []
