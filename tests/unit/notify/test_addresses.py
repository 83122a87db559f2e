"""Which addresses receivers may have."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from certctl.domain.ports import DeliveryFailed
from certctl.notify.addresses import require_allowed, resolve

PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "2001:db8::1",
    # IPv4 inside IPv6: mapped, 6to4, Teredo, NAT64, and a network's own NAT64.
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2001:0:5db8:d822::f5ff:fffe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
]
NOBODYS = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "240.0.0.1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_ones_are_allowed(address: str) -> None:
    require_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", [*PRIVATE, *NOBODYS])
def test_others_are_not(address: str) -> None:
    with pytest.raises(DeliveryFailed, match="not public"):
        require_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_are_where_the_operator_says_so(address: str) -> None:
    require_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1", "::", "ff02::1"])
def test_what_is_nobodys_never_is(address: str) -> None:
    with pytest.raises(DeliveryFailed, match="no receiver"):
        require_allowed(address, allow_private=True)


@pytest.mark.parametrize(
    "written", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001"]
)
def test_however_an_address_is_written_it_is_judged_as_what_it_is(written: str) -> None:
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 is not public"):
        asyncio.run(resolve(written, 80, allow_private=False))


def test_one_private_address_beside_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
            for address in ("93.184.216.34", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(DeliveryFailed, match=r"10\.0\.0\.1"):
        asyncio.run(resolve("two.example", 80, allow_private=False))
    assert len(asyncio.run(resolve("two.example", 80, allow_private=True))) == 2


def test_a_name_that_is_none_is_said_to_be_so() -> None:
    with pytest.raises(DeliveryFailed, match="cannot be resolved"):
        asyncio.run(resolve("no-such-host.invalid", 80, allow_private=True))
