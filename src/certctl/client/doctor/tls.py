"""TLS as the server speaks it: versions, key exchange, and what OpenSSL says of its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from OpenSSL import SSL

from certctl.client.address import Address
from certctl.client.doctor.report import Report
from certctl.client.doctor.stranger import found_plain_http
from certctl.client.failures import ClientFailure, Silent
from certctl.client.tls import Fault, Trust, Versions, connect

_PROBES = {
    "TLS 1.3": Versions(oldest=SSL.TLS1_3_VERSION, newest=SSL.TLS1_3_VERSION),
    "TLS 1.2": Versions(oldest=SSL.TLS1_2_VERSION, newest=SSL.TLS1_2_VERSION),
    "TLS 1.1": Versions(oldest=SSL.TLS1_1_VERSION, newest=SSL.TLS1_1_VERSION, anything=True),
    "TLS 1.0": Versions(oldest=SSL.TLS1_VERSION, newest=SSL.TLS1_VERSION, anything=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The server's chain as it sent it, its own certificate first, and what is wrong with it."""

    chain: tuple[x509.Certificate, ...]
    faults: Sequence[Fault]


def check_tls(address: Address, trust: Trust, seconds: float, report: Report) -> Peer | None:
    """Every version by itself, each within so many seconds; None where none of them works.

    Who is silent twice is asked no more. Once is not enough: boxes on the way are known that
    drop the long ClientHello of TLS 1.3 and its key exchange, and let that of TLS 1.2 pass.
    """
    watching = replace(trust, verify=False)
    peer: Peer | None = None
    spoken: list[str] = []
    silent: list[str] = []
    why: list[str] = []
    for name, versions in _PROBES.items():
        patience = seconds if not silent else seconds / 2
        try:
            with connect(
                address, trust=watching, versions=versions, timeout=patience
            ) as connection:
                spoken.append(name)
                if peer is None:
                    peer = Peer(chain=connection.chain, faults=connection.faults)
                    group = connection.group or "a group that OpenSSL does not name"
                    told = f"{connection.version}, {connection.cipher}, {group}."
                    report.good("tls", told)
        except Silent:
            silent.append(name)
            if len(silent) > 1:
                break
        except ClientFailure as failure:
            why.append(f"{name}: {failure.what}")
    if peer is None:
        _no_tls(address, seconds, silent, why, report)
        return None
    _judge_versions(spoken, silent, report)
    return peer


def _no_tls(
    address: Address, seconds: float, silent: list[str], why: list[str], report: Report
) -> None:
    # Some servers of plain HTTP wait for the end of a line that a ClientHello does not have.
    if found_plain_http(address, seconds / 2 if silent else seconds, report):
        report.end("the port does not speak TLS")
    elif silent:
        report.found(
            "tls",
            "silent",
            f"Port {address.port} takes the connection and then says nothing: {silent[0]} was not"
            f" answered within {seconds:g} seconds.",
            "See on the server whether it hangs (its log, its load), and whether this is its TLS"
            " port. A firewall or proxy on the way may also take connections for a server that is"
            " away.",
        )
        report.end("the server says nothing")
    else:
        report.found(
            "tls",
            "no_tls",
            f"No version of TLS works. {why[0]}",
            "Is it a TLS port? A server may also insist on a client certificate: "
            "EST has to let devices in that have none yet (RFC 7030 §3.3).",
        )
        report.end("there is no TLS connection to the server")


def _judge_versions(spoken: list[str], silent: list[str], report: Report) -> None:
    if "TLS 1.3" in silent:
        report.found(
            "tls versions",
            "tls13_silent",
            f"The server speaks {', '.join(spoken)}; with TLS 1.3 it is silent.",
            "Look for a firewall or proxy on the way that drops long or unknown ClientHellos, and"
            " update it: TLS 1.3 with a key exchange that withstands quantum computers needs more"
            " than one packet.",
        )
    elif "TLS 1.3" not in spoken:
        report.found(
            "tls versions",
            "tls13_missing",
            f"The server speaks {', '.join(spoken)}, not TLS 1.3.",
            "Switch TLS 1.3 on: a CSR is bound to its connection by it (RFC 9266), and "
            "only it has a key exchange that withstands quantum computers.",
        )
    if old := [name for name in spoken if name in ("TLS 1.0", "TLS 1.1")]:
        report.found(
            "tls versions",
            "tls_too_old",
            f"The server still speaks {' and '.join(old)}.",
            "Switch them off (RFC 8996).",
        )
    if spoken[0] == "TLS 1.3" and not old:
        report.good("tls versions", f"The server speaks {' and '.join(spoken)}.")
