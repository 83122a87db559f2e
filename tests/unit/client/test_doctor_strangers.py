"""The doctor before something else than an EST server: a log-in page, a server of plain HTTP."""

from __future__ import annotations

import pytest
from cryptography import x509

from certctl.client.doctor.examine import examine
from certctl.client.doctor.report import Report, Verdict
from certctl.client.est import BasicAuth
from tests.harness.faulty_est import FaultyServer, Said, certified, now
from tests.unit.client.patient import Patient, Publisher, healthy, names

HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = Said(200, b"<html><TITLE>\n Guest &amp; visitors\x1b[2J</title></html>", HTML)
LOG_IN = Said(302, b"", {"Location": "http://portal.guest.example/login"})
FIRST = Said(511, b"<p>log in", HTML)


def portal(said: Said) -> FaultyServer:
    """Answers everything alike, under a certificate of its own."""
    issuer = certified("guest CA", ca=True)
    names_ = [x509.DNSName("portal.guest.example")]
    return FaultyServer(
        leaf=certified("portal", issuer, sans=names_),
        chain=[],
        answers=dict.fromkeys(("cacerts", "csrattrs", "simpleenroll"), said),
    )


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (PAGE, '200, text/html with the title "Guest & visitors\\u001b[2J"'),
        (LOG_IN, "302, to http://portal.guest.example/login"),
        (FIRST, "511, text/html"),
    ],
    ids=["page", "redirect", "network authentication required"],
)
def test_a_captive_portal_is_called_what_it_is(patient: Patient, said: Said, seen: str):
    server = portal(said)
    report = patient.examined(server, BasicAuth(user="device", password="secret"))
    assert names(report) == {"not_est"}
    (found,) = report.findings
    assert found.text == (
        f"Something else than an EST server answers: cacerts and csrattrs get {seen}."
        " Its certificate is for portal.guest.example, of CN=guest CA."
    )
    assert "captive portal" in found.remedy
    assert skipped(report) == {
        "clock",
        "certificate",
        "csrattrs",
        "authentication",
        "dry enrollment",
        "revocation",
    }
    # Nothing was posted, and no password shown.
    assert [line.split()[0] for line, _, _ in server.received] == ["GET", "GET"]
    assert not any("authorization" in headers for _, headers, _ in server.received)


@pytest.mark.parametrize("said", [PAGE, LOG_IN], ids=["page", "redirect"])
def test_one_path_that_is_turned_elsewhere_makes_no_stranger(patient: Patient, said: Said):
    server = healthy()
    server.answers["cacerts"] = said
    report = patient.examined(server)
    assert "not_est" not in names(report)
    verdicts = {each.check: each.verdict for each in report.results}
    assert (verdicts["csrattrs"], verdicts["authentication"]) == (Verdict.GOOD, Verdict.GOOD)
    paths = [line for line, _, _ in server.received if line.endswith("csrattrs")]
    assert len(paths) == 1


def test_a_server_that_has_moved_is_no_stranger(patient: Patient):
    moved = Said(308, b"", {"Location": "https://est2.example.com/.well-known/est/corp/cacerts"})
    server = healthy()
    server.answers = dict.fromkeys(("cacerts", "csrattrs", "simpleenroll"), moved)
    assert names(patient.examined(server)) == {"redirected"}


@pytest.mark.parametrize(
    ("publisher", "seen", "remedy"),
    [
        (
            Publisher(status=302, headers={"Location": "http://portal.guest.example/"}),
            "302, to http://portal.guest.example/",
            "captive portal",
        ),
        (Publisher(b"<title>Hello</title>", headers=HTML), 'with the title "Hello"', "captive"),
        (Publisher(b"no", status=404), "404, no content type", "the port on which"),
    ],
    ids=["redirect", "page", "not found"],
)
def test_a_port_of_plain_http_is_called_what_it_is(
    patient: Patient, publisher: Publisher, seen: str, remedy: str
):
    patient.seconds = 2
    with publisher.running() as url:
        port = int(url.rpartition(":")[2])
        report = examine(patient.server(port), now)
    assert names(report) == {"plain_http"}
    (found,) = report.findings
    assert found.text.startswith(f"Port {port} speaks plain HTTP, not TLS; it answers with ")
    assert seen in found.text
    assert remedy in found.remedy
    assert publisher.asked == ["/.well-known/est/cacerts"]
    assert {"cacerts", "certificate", "authentication"} <= skipped(report)


def skipped(report: Report) -> set[str]:
    return {
        each.check
        for each in report.results
        if each.verdict is Verdict.SKIPPED and each.text.startswith("Not tried: ")
    }
