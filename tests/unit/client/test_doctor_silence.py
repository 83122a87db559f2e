"""The doctor before who says nothing: asked once or twice, and the rest told as not tried."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from certctl.client.doctor.report import BEHIND_THE_CONNECTION, Report, Verdict
from certctl.client.doctor.revocation import Web
from certctl.client.est import BasicAuth
from tests.harness.faulty_est import SILENCE, FaultyServer, certified
from tests.unit.client.patient import SUB, Patient, healthy, names

ALWAYS = range(1, 1_000)
BASIC = BasicAuth(user="device", password="right")


def not_tried(report: Report) -> dict[str, str]:
    return {
        each.check: each.text
        for each in report.results
        if each.verdict is Verdict.SKIPPED and each.text.startswith("Not tried: ")
    }


def test_a_port_that_says_nothing_is_asked_in_two_versions_and_in_plain(patient: Patient):
    patient.seconds = 0.3
    server = healthy()
    server.silent = ALWAYS
    report = patient.examined(server, BASIC)
    assert names(report) == {"silent"}
    assert "TLS 1.3 was not answered within 0.3 seconds" in report.findings[0].text
    assert not_tried(report) == dict.fromkeys(
        BEHIND_THE_CONNECTION, "Not tried: the server says nothing."
    )
    # Is the port open; TLS 1.3; TLS 1.2; plain HTTP.
    assert server.connections == 4


def test_who_is_silent_with_tls_1_3_alone_is_told_from_who_is_away(patient: Patient):
    patient.seconds = 3
    server = healthy()
    server.silent = {2}
    report = patient.examined(server)
    assert names(report) == {"tls13_silent"}
    assert not_tried(report) == {}


def test_a_server_that_answers_no_request_is_asked_one(patient: Patient):
    patient.seconds = 2
    server = healthy()
    server.answers = dict.fromkeys(("cacerts", "csrattrs", "simpleenroll"), SILENCE)
    report = patient.examined(server, BASIC)
    assert names(report) == {"silent"}
    assert not_tried(report) == dict.fromkeys(
        ("csrattrs", "authentication", "dry enrollment"),
        "Not tried: the server answers no request.",
    )
    # Whether its certificate is in order can be told all the same.
    verdicts = {each.check: each.verdict for each in report.results}
    assert (verdicts["certificate"], verdicts["clock"]) == (Verdict.GOOD, Verdict.SKIPPED)
    assert [line for line, _, _ in server.received] == ["GET /.well-known/est/corp/cacerts"]


def test_who_has_answered_before_is_forgiven_one_silence(patient: Patient):
    patient.seconds = 1
    server = healthy()
    server.answers["csrattrs"] = SILENCE
    report = patient.examined(server)
    assert names(report) == {"silent"}
    assert not_tried(report) == {}
    server.answers["simpleenroll"] = SILENCE
    report = patient.examined(server, BASIC)
    assert not_tried(report) == {
        "dry enrollment": "Not tried: the server has left two requests without an answer."
    }


def test_a_silent_place_of_crls_is_not_asked_for_ocsp_too(patient: Patient):
    patient.seconds = 2
    place = FaultyServer(leaf=certified("crl", SUB), chain=[], answers={}, silent=ALWAYS)
    with place.running(patient.directory) as port:
        url = f"http://localhost:{port}"
        server = healthy()
        server.leaf = certified("est", SUB, more=_pointing_to(url))
        report = patient.examined(server)
    assert names(report) == {"crl_unreachable"}
    assert [each.text for each in report.results if each.check == "ocsp"] == [
        f"Not tried, since nobody answers there: {url}/ocsp"
    ]
    assert place.connections == 1


@pytest.mark.parametrize(
    ("url", "silent"),
    [
        ("https://EST.example.com/a.crl", True),
        ("https://est.example.com:443/a.crl", True),
        ("http://est.example.com/a.crl", False),
        ("https://est.example.com:99999/a.crl", False),
        ("ldap:///cn=ca", False),
    ],
)
def test_the_server_that_was_silent_is_known_by_host_and_port(url: str, *, silent: bool):
    assert Web(1, [("est.example.com", 443)]).is_silent(url) is silent


def _pointing_to(url: str) -> list[x509.ExtensionType]:
    crl = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(f"{url}/a.crl")],
        relative_name=None,
        reasons=None,
        crl_issuer=None,
    )
    ocsp = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{url}/ocsp")
    )
    return [x509.CRLDistributionPoints([crl]), x509.AuthorityInformationAccess([ocsp])]
