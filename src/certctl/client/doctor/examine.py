"""All checks in their order; each goes as far as those before it allow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from certctl.client.doctor.certificate import check_certificate
from certctl.client.doctor.est import (
    check_authentication,
    check_cacerts,
    check_csrattrs,
    check_dry_enrollment,
)
from certctl.client.doctor.network import check_network
from certctl.client.doctor.readable import is_readable
from certctl.client.doctor.report import Report
from certctl.client.doctor.revocation import check_revocation
from certctl.client.doctor.tls import check_tls
from certctl.client.est import EstServer


def examine(server: EstServer, now: Callable[[], dt.datetime]) -> Report:
    """Look at everything; issues nothing. Credentials go to a trusted server only.

    Raises:
        BadInput: the CA file or the client certificate cannot be used.
    """
    address = server.address
    report = Report(f"{address.url}/.well-known/est/{server.profile}".rstrip("/"))
    if not check_network(address, report):
        return report
    peer = check_tls(address, server.trust, report)
    if peer is None or not peer.chain:
        return report
    # A certificate that is not in order must not hide what else is not.
    watching = replace(
        server,
        trust=replace(server.trust, verify=False),
        basic=None,
        identity=None,
        route=server.route or "est",
    )
    ca_certificates = check_cacerts(watching, now, report)
    check_certificate(peer, address, ca_certificates, now(), report)
    check_csrattrs(watching, report)
    check_authentication(watching, report)
    if server.basic is None and server.identity is None:
        report.skipped("dry enrollment", "No credentials were given.")
    elif peer.faults:
        report.skipped(
            "dry enrollment", "Credentials are not sent to a server that is not trusted."
        )
    else:
        check_dry_enrollment(server, report)
    if not all(map(is_readable, peer.chain)):
        report.skipped("revocation", "The server's certificates cannot be read.")
        return report
    issuers = [*peer.chain[1:], *ca_certificates]
    pointing = [each for each in ca_certificates if each.issuer != each.subject]
    check_revocation([peer.chain[0], *pointing], issuers, now(), report)
    return report
