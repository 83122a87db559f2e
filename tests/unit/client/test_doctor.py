"""The doctor before servers with planted faults: each is found and named, and nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from certctl.client.address import Address
from certctl.client.doctor.asking import NO_REQUEST
from certctl.client.doctor.examine import examine
from certctl.client.doctor.report import Verdict
from certctl.client.est import BasicAuth, EstServer
from certctl.client.tls import Trust
from tests.harness.faulty_est import FaultyServer, Party, Said, cas, certified, now
from tests.harness.published import point_of
from tests.harness.server import free_port
from tests.unit.client.patient import (
    ASKED,
    CSRATTRS,
    ROOT,
    SUB,
    WANTED,
    Patient,
    Publisher,
    healthy,
    names,
)

STRANGER = certified("stranger", ca=True, days=(-1, 3650))


def with_leaf(leaf: Party, *chain: Party) -> FaultyServer:
    server = healthy()
    server.leaf, server.chain = leaf, chain
    return server


def saying(name: str, said: Said) -> FaultyServer:
    server = healthy()
    server.answers[name] = said
    return server


def speaking(oldest: ssl.TLSVersion, newest: ssl.TLSVersion) -> FaultyServer:
    server = healthy()
    server.versions = (oldest, newest)
    return server


def ahead(**by: int) -> FaultyServer:
    server = healthy()
    server.ahead = dt.timedelta(**by)
    return server


SOON = certified("old root", ca=True, days=(-3650, 60))
OVER = certified("dead root", ca=True, days=(-3650, -1))
OLD_SUB = certified("doctor sub", ROOT, ca=True, days=(-10, -1))
FOUND = Path(__file__).parents[2] / "fuzz" / "found"
YEAR_0 = Party(
    x509.load_pem_x509_certificate((FOUND / "bundle" / "anchor-of-the-year-0").read_bytes()),
    ROOT.key,
)
BY_IP = x509.DNSName("est.example.com")

PLANTED: dict[str, tuple[Callable[[], FaultyServer], set[str]]] = {
    "nothing": (healthy, set()),
    "expired certificate": (
        lambda: with_leaf(certified("est", SUB, days=(-9, -1)), SUB),
        {"certificate_expired"},
    ),
    "certificate of the future": (
        lambda: with_leaf(certified("est", SUB, days=(2, 9)), SUB),
        {"certificate_not_yet_valid"},
    ),
    "certificate about to expire": (
        lambda: with_leaf(certified("est", SUB, days=(-80, 5)), SUB),
        {"certificate_expires_soon"},
    ),
    "wrong name": (
        lambda: with_leaf(certified("localhost", SUB, sans=[BY_IP]), SUB),
        {"certificate_wrong_name"},
    ),
    "no names": (
        lambda: with_leaf(certified("localhost", SUB, sans=[x509.RFC822Name("a@b.c")]), SUB),
        {"certificate_wrong_name"},
    ),
    "missing intermediate": (lambda: with_leaf(certified("est", SUB)), {"chain_incomplete"}),
    "wrong intermediate": (
        lambda: with_leaf(certified("est", SUB), certified("other sub", ROOT, ca=True)),
        {"chain_wrong"},
    ),
    "expired intermediate": (
        lambda: with_leaf(certified("est", SUB), Party(OLD_SUB.certificate, SUB.key)),
        {"chain_expired", "certificate_untrusted"},
    ),
    "another CA": (
        lambda: with_leaf(certified("est", STRANGER), STRANGER),
        {"certificate_untrusted"},
    ),
    "self-signed": (lambda: with_leaf(certified("est")), {"certificate_untrusted"}),
    "for clients alone": (
        lambda: with_leaf(certified("est", SUB, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), SUB),
        {"certificate_wrong_usage", "certificate_untrusted"},
    ),
    "TLS 1.2 only": (
        lambda: speaking(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        {"tls13_missing"},
    ),
    "clock ahead": (lambda: ahead(minutes=5), {"clock_skew"}),
    "clock behind": (lambda: ahead(days=-400), {"clock_skew"}),
    "cacerts absent": (lambda: saying("cacerts", Said(404)), {"cacerts_refused"}),
    "cacerts behind a password": (lambda: saying("cacerts", ASKED), {"cacerts_refused"}),
    "cacerts empty": (
        lambda: saying("cacerts", Said(200, b"", {"Content-Type": "application/pkcs7-mime"})),
        {"cacerts_empty"},
    ),
    "cacerts without certificates": (lambda: saying("cacerts", cas()), {"cacerts_malformed"}),
    "cacerts not base64": (
        lambda: saying("cacerts", Said(200, b"<p>", {"Content-Type": "application/pkcs7-mime"})),
        {"cacerts_not_base64"},
    ),
    "cacerts garbage": (
        lambda: saying("cacerts", Said(200, b"AAAA", {"Content-Type": "application/pkcs7-mime"})),
        {"cacerts_malformed"},
    ),
    "cacerts of another type": (
        lambda: saying("cacerts", cas(ROOT, SUB, content_type="text/plain")),
        {"cacerts_wrong_type"},
    ),
    "cacerts without a CA": (
        lambda: saying("cacerts", cas(certified("leaf", SUB))),
        {"cacerts_no_ca"},
    ),
    "cacerts with a time that no calendar has": (
        lambda: saying("cacerts", cas(ROOT, SUB, YEAR_0)),
        {"cacerts_unreadable"},
    ),
    "CA about to expire": (lambda: saying("cacerts", cas(SOON)), {"ca_expires_soon"}),
    "CA expired": (lambda: saying("cacerts", cas(OVER)), {"ca_expired"}),
    "csrattrs not base64": (
        lambda: saying("csrattrs", Said(200, b"!", CSRATTRS)),
        {"csrattrs_malformed"},
    ),
    "csrattrs not DER": (
        lambda: saying("csrattrs", Said(200, base64.b64encode(b"\x30\x05\x06"), CSRATTRS)),
        {"csrattrs_malformed"},
    ),
    "csrattrs of another type": (
        lambda: saying("csrattrs", Said(200, WANTED.body, {"Content-Type": "text/html"})),
        {"csrattrs_wrong_type"},
    ),
    "csrattrs failing": (lambda: saying("csrattrs", Said(500)), {"csrattrs_refused"}),
    "401 without WWW-Authenticate": (
        lambda: saying("simpleenroll", Said(401)),
        {"challenge_missing"},
    ),
    "anonymous enrollment": (
        lambda: saying("simpleenroll", Said(400, b"not PKCS#10")),
        {"anonymous_enrollment"},
    ),
    "no enrollment": (lambda: saying("simpleenroll", Said(404)), {"enroll_missing"}),
    "nonsense granted": (lambda: saying("simpleenroll", cas(ROOT)), {"nonsense_accepted"}),
    "enrollment failing": (lambda: saying("simpleenroll", Said(503)), {"enroll_failed"}),
    "a log-in page in front of it": (
        lambda: saying("cacerts", Said(302, b"", {"Location": "https://login.example.com/"})),
        {"redirected"},
    ),
    "enrollment moved": (
        lambda: saying("simpleenroll", Said(308, b"", {"Location": "/elsewhere"})),
        {"redirected"},
    ),
    "csrattrs of a bad tag": (
        lambda: saying("csrattrs", Said(200, base64.b64encode(b"\xff" * 300), CSRATTRS)),
        {"csrattrs_malformed"},
    ),
    "not HTTP": (
        lambda: saying("cacerts", Said(200, b"", {"Content-Length": "none"})),
        {"cacerts_failed"},
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_each_planted_fault_is_found_and_named(patient: Patient, fault: str):
    make, wanted = PLANTED[fault]
    server = make()
    report = patient.examined(server)
    assert names(report) == wanted, report
    assert all(each.remedy for each in report.findings)
    # What it posts can never be granted, and it posts nothing else.
    posted = [body for line, _, body in server.received if line.startswith("POST")]
    assert {base64.b64decode(each) for each in posted} <= {NO_REQUEST}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_found(patient: Patient):
    report = patient.examined(speaking(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3))
    assert names(report) == {"tls_too_old"}
    (found,) = report.findings
    assert "TLS 1.1 and TLS 1.0" in found.text


def test_who_wants_a_client_certificate_in_the_handshake_is_found(patient: Patient):
    """With TLS 1.3 the server says so after our side of the handshake is over."""
    server = healthy()
    server.clients = ROOT
    report = patient.examined(server)
    assert names(report) == {"cacerts_failed", "csrattrs_failed", "enroll_failed"}
    for each in report.findings:
        assert "certificate required" in each.text
        assert "--cert" in each.remedy


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_that_stopped_at_tls_1_0_is_found(patient: Patient):
    report = patient.examined(speaking(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1))
    assert {"tls13_missing", "tls_too_old", "cacerts_failed"} <= names(report)


def test_a_port_without_tls_and_a_port_without_anybody(patient: Patient):
    now_ = lambda: dt.datetime.now(dt.UTC)  # noqa: E731
    assert names(examine(patient.server(free_port()), now_)) == {"port_unreachable"}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(6):
                listener.accept()[0].close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        assert names(examine(patient.server(listener.getsockname()[1]), now_)) == {"no_tls"}
        thread.join(10)
    nowhere = EstServer(
        address=Address(host="nowhere.invalid", port=443), profile="", trust=Trust()
    )
    assert names(examine(nowhere, now_)) == {"name_unknown"}


def test_credentials_are_tried_with_a_request_nobody_can_grant(patient: Patient):
    server = healthy()
    server.answers["simpleenroll"] = [ASKED, Said(400, b"not PKCS#10")]
    report = patient.examined(server, BasicAuth(user="device", password="right"))
    assert names(report) == set()
    server.answers["simpleenroll"] = [ASKED, ASKED]
    report = patient.examined(server, BasicAuth(user="device", password="wrong"))
    assert names(report) == {"credentials_refused"}


def test_credentials_are_never_shown_to_a_server_that_is_not_trusted(patient: Patient):
    server = with_leaf(certified("est", STRANGER), STRANGER)
    report = patient.examined(server, BasicAuth(user="device", password="secret"))
    assert [each.verdict for each in report.results if each.check == "dry enrollment"] == [
        Verdict.SKIPPED
    ]
    assert not any("authorization" in headers for _, headers, _ in server.received)


# --- revocation ---------------------------------------------------------------------------


def crl(*serials: int, days: int = 7, point: str | None = None) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(SUB.certificate.subject)
        .last_update(now() - dt.timedelta(days=30))
        .next_update(now() + dt.timedelta(days=days))
    )
    if point is not None:
        builder = builder.add_extension(
            point_of(point),
            critical=True,
        )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now()).build()
        )
    return builder.sign(SUB.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def pointing_to_crl(url: str) -> FaultyServer:
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(f"{url}/sub.crl")],
        relative_name=None,
        reasons=None,
        crl_issuer=None,
    )
    return with_leaf(certified("est", SUB, more=[x509.CRLDistributionPoints([point])]), SUB)


@pytest.mark.parametrize(
    ("body", "status", "wanted"),
    [
        (crl(), 200, set()),
        (b"", 404, {"crl_unreachable"}),
        (b"<html>", 200, {"crl_malformed"}),
        (crl(days=-1), 200, {"crl_expired"}),
    ],
    ids=["good", "unreachable", "malformed", "expired"],
)
def test_the_crl_is_fetched_and_judged(
    patient: Patient, body: bytes, status: int, wanted: set[str]
):
    publisher = Publisher(body, status)
    with publisher.running() as url:
        assert names(patient.examined(pointing_to_crl(url))) == wanted
    assert publisher.asked == ["/sub.crl"]


def test_the_crl_of_another_partition_is_found(patient: Patient):
    publisher = Publisher()
    with publisher.running() as url:
        publisher.body = crl(point=f"{url}/sub.crl")
        assert names(patient.examined(pointing_to_crl(url))) == set()
        publisher.body = crl(point=f"{url}/other.crl")
        assert names(patient.examined(pointing_to_crl(url))) == {"crl_other_scope"}


def test_a_crl_that_nobody_serves(patient: Patient):
    url = f"http://127.0.0.1:{free_port()}"
    assert names(patient.examined(pointing_to_crl(url))) == {"crl_unreachable"}


def test_a_revoked_server_is_found(patient: Patient):
    publisher = Publisher()
    with publisher.running() as url:
        server = pointing_to_crl(url)
        publisher.body = crl(server.leaf.certificate.serial_number)
        assert names(patient.examined(server)) == {"certificate_revoked"}


def pointing_to_ocsp(url: str) -> FaultyServer:
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    return with_leaf(certified("est", SUB, more=[x509.AuthorityInformationAccess([access])]), SUB)


def ocsp_answer(leaf: Party, status: ocsp.OCSPCertStatus) -> bytes:
    revoked = now() if status is ocsp.OCSPCertStatus.REVOKED else None
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            leaf.certificate,
            SUB.certificate,
            hashes.SHA1(),  # noqa: S303 - what clients ask with
            cert_status=status,
            this_update=now() - dt.timedelta(hours=1),
            next_update=now() + dt.timedelta(hours=1),
            revocation_time=revoked,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, SUB.certificate)
        .sign(SUB.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (ocsp.OCSPCertStatus.GOOD, set()),
        (ocsp.OCSPCertStatus.REVOKED, {"certificate_revoked"}),
        (None, {"ocsp_bad_answer"}),
    ],
)
def test_the_ocsp_responder_is_asked(
    patient: Patient, status: ocsp.OCSPCertStatus | None, wanted: set[str]
):
    publisher = Publisher(b"no OCSP")
    with publisher.running() as url:
        server = pointing_to_ocsp(url)
        if status is not None:
            publisher.body = ocsp_answer(server.leaf, status)
        assert names(patient.examined(server)) == wanted
    assert publisher.asked == ["/"]


def test_an_ocsp_responder_that_is_not_there(patient: Patient):
    server = pointing_to_ocsp(f"http://127.0.0.1:{free_port()}")
    assert names(patient.examined(server)) == {"ocsp_unreachable"}
