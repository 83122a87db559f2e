"""All checks in their order; each goes as far as those before it allow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

from certctl.client.doctor.asking import Questions
from certctl.client.doctor.certificate import check_certificate
from certctl.client.doctor.est import (
    check_authentication,
    check_cacerts,
    check_clock,
    check_csrattrs,
    check_dry_enrollment,
)
from certctl.client.doctor.network import check_network
from certctl.client.doctor.readable import is_readable
from certctl.client.doctor.report import Report
from certctl.client.doctor.revocation import Web, check_revocation
from certctl.client.doctor.stranger import found_stranger, is_strange
from certctl.client.doctor.tls import Peer, check_tls
from certctl.client.est import Ask, EstServer

PATIENCE_SECONDS = 8.0
"""How long the doctor waits for one answer, where the server's own limit is not shorter."""


def examine(server: EstServer, now: Callable[[], dt.datetime]) -> Report:
    """Look at everything; issues nothing. Credentials go to a trusted server only.

    Raises:
        BadInput: the CA file or the client certificate cannot be used.
    """
    address = server.address
    server = replace(server, timeout=min(server.timeout, PATIENCE_SECONDS))
    report = Report(f"{address.url}/.well-known/est/{server.profile}".rstrip("/"))
    if not check_network(address, report):
        report.end("there is no connection to the server")
        return report
    peer = check_tls(address, server.trust, server.timeout, report)
    if peer is None:
        return report
    if not peer.chain:
        report.end("the server shows no certificate")
        return report
    _examine_est(server, peer, now, report)
    return report


def _examine_est(
    server: EstServer, peer: Peer, now: Callable[[], dt.datetime], report: Report
) -> None:
    # A certificate that is not in order must not hide what else is not.
    watching = replace(
        server,
        trust=replace(server.trust, verify=False),
        basic=None,
        identity=None,
        route=server.route or "est",
    )
    questions = Questions(report)
    cacerts = questions.get(watching, Ask.CACERTS)
    readable = all(map(is_readable, peer.chain))
    if cacerts is not None and is_strange(cacerts):
        # One path may be turned elsewhere by mistake; two are somebody else's.
        csrattrs = questions.get(watching, Ask.CSRATTRS)
        if csrattrs is not None and is_strange(csrattrs):
            found_stranger(cacerts, peer.chain[0] if readable else None, report)
            report.end("something else than an EST server answers")
            return
    check_clock(cacerts, now(), report)
    ca_certificates = check_cacerts(cacerts, now(), report)
    check_certificate(peer, server.address, ca_certificates, now(), report)
    check_csrattrs(questions.get(watching, Ask.CSRATTRS), report)
    check_authentication(watching, questions, report)
    if server.basic is None and server.identity is None:
        report.skipped("dry enrollment", "No credentials were given.")
    elif peer.faults:
        report.skipped(
            "dry enrollment", "Credentials are not sent to a server that is not trusted."
        )
    else:
        check_dry_enrollment(server, questions, report)
    if not readable:
        report.skipped("revocation", "The server's certificates cannot be read.")
        return
    issuers = [*peer.chain[1:], *ca_certificates]
    pointing = [each for each in ca_certificates if each.issuer != each.subject]
    silent = [(server.address.host, server.address.port)] if report.ended else []
    web = Web(server.timeout, silent)
    check_revocation([peer.chain[0], *pointing], issuers, now(), web, report)
