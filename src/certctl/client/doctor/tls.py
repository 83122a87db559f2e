"""TLS as the server speaks it: versions, key exchange, and what OpenSSL says of its certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from OpenSSL import SSL

from certctl.client.address import Address
from certctl.client.doctor.report import Report
from certctl.client.failures import ClientFailure
from certctl.client.tls import Fault, Trust, Versions, connect

SECONDS = 15.0

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


def check_tls(address: Address, trust: Trust, report: Report) -> Peer | None:
    """Every version by itself; None where none of them works."""
    watching = replace(trust, verify=False)
    peer: Peer | None = None
    spoken: list[str] = []
    why: list[str] = []
    for name, versions in _PROBES.items():
        try:
            with connect(address, trust=watching, versions=versions, timeout=SECONDS) as connection:
                spoken.append(name)
                if peer is None:
                    peer = Peer(chain=connection.chain, faults=connection.faults)
                    group = connection.group or "a group that OpenSSL does not name"
                    told = f"{connection.version}, {connection.cipher}, {group}."
                    report.good("tls", told)
        except ClientFailure as failure:
            why.append(f"{name}: {failure.what}")
    if peer is None:
        report.found(
            "tls",
            "no_tls",
            f"No version of TLS works. {why[0]}",
            "Is it a TLS port? A server may also insist on a client certificate: "
            "EST has to let devices in that have none yet (RFC 7030 §3.3).",
        )
        return None
    _judge_versions(spoken, report)
    return peer


def _judge_versions(spoken: list[str], report: Report) -> None:
    if "TLS 1.3" not in spoken:
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
