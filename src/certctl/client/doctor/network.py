"""Name and port: whether each address of the server takes a connection."""

from __future__ import annotations

import socket

from certctl.client.address import Address
from certctl.client.doctor.report import Report

TCP_SECONDS = 5.0


def check_network(address: Address, report: Report) -> bool:
    """DNS, then TCP to every address; True where at least one of them answers."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        report.found(
            "dns",
            "name_unknown",
            f"{address.host} has no address: {reason}.",
            "Mend the name, or the DNS that this machine asks.",
        )
        return False
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    report.good("dns", f"{address.host} is {', '.join(addresses)}.")
    failed = {each: why for each in addresses if (why := _refusal(each, address.port))}
    if not failed:
        report.good("tcp", f"Port {address.port} is open.")
        return True
    told = "; ".join(f"{each}: {why}" for each, why in failed.items())
    if len(failed) < len(addresses):
        if _one_loopback(addresses):
            report.note("tcp", f"Port {address.port} is not open on {told}.")
            return True
        report.found(
            "tcp",
            "address_unreachable",
            f"Port {address.port} is not open on every address: {told}.",
            "Take the address out of DNS, or have the server listen on it: devices that try "
            "it first wait for nothing.",
        )
        return True
    report.found(
        "tcp",
        "port_unreachable",
        f"Port {address.port} cannot be reached: {told}.",
        "Check that the server runs, its port, and the firewalls on the way.",
    )
    return False


def _refusal(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=TCP_SECONDS).close()
    except OSError as err:
        return err.strerror or str(err)
    return ""


def _one_loopback(addresses: list[str]) -> bool:
    """The name localhost is two addresses on most machines, and one server listens on one."""
    return all(each == "::1" or each.startswith("127.") for each in addresses)
