"""CRL, OCSP and CA certificate of a real server, read by openssl and curl (records §4)."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
)

from tests.harness.device import Device
from tests.harness.http import fetch
from tests.harness.pkilint import findings
from tests.harness.published import (
    CRL_SECONDS,
    OCSP_SECONDS,
    PKI,
    PlainPort,
    crl_number,
    eventually,
    openssl,
    publishing_settings,
    revoke,
)
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"


@pytest.fixture(scope="module")
def port() -> PlainPort:
    return PlainPort(port=free_port())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: PlainPort) -> Iterator[RunningServer]:
    settings = publishing_settings(port, PASSWORD) | {
        "TLS12_PORT": str(free_port()),
        "PUBLIC_URL": "https://pki.example.com",
    }
    with configured_server(tmp_path_factory.mktemp("server"), settings) as running:
        port.settle()
        yield running


@pytest.fixture(scope="module")
def plain(server: RunningServer, port: PlainPort) -> PlainPort:
    """The port without TLS of the server that runs."""
    assert server.process.poll() is None
    return port


@pytest.fixture
def device(server: RunningServer, tmp_path: Path) -> Device:
    device = Device(tmp_path)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    return device


def serial_of(device: Device) -> int:
    assert device.certificate is not None
    return device.certificate.serial_number


def listed(plain: PlainPort, serial: int) -> x509.RevokedCertificate | None:
    return plain.crl().get_revoked_certificate_by_serial_number(serial)


def test_a_revoked_certificate_is_on_the_crl_and_openssl_refuses_it(
    server: RunningServer, plain: PlainPort, device: Device, tmp_path: Path
):
    before = plain.crl()
    assert before.get_revoked_certificate_by_serial_number(serial_of(device)) is None
    crl_file = tmp_path / "crl.pem"

    def verified() -> str:
        return openssl(
            "verify", "-crl_check", "-CAfile", server.ca_file, "-CRLfile", crl_file,
            device.certificate_file,
        )  # fmt: skip

    crl_file.write_bytes(plain.fetch("GET", "/crls/iss-local.crl?format=pem").body)
    assert verified().endswith(": OK\n")

    revoke(server, serial_of(device), "keyCompromise")

    entry = eventually(lambda: listed(plain, serial_of(device)), CRL_SECONDS)
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise

    def refused() -> bool:
        # The other worker may take the new one over a moment later.
        crl_file.write_bytes(plain.fetch("GET", "/crls/iss-local.crl?format=pem").body)
        return "certificate revoked" in verified()

    assert eventually(refused, 1)
    assert "verify OK" in openssl("crl", "-in", crl_file, "-noout", "-CAfile", server.ca_file)
    assert eventually(lambda: crl_number(plain.crl()) > crl_number(before), 1)


def test_the_crl_says_when_the_next_one_comes(server: RunningServer, plain: PlainPort):
    crl = plain.crl()
    assert crl.next_update_utc is not None
    assert crl.next_update_utc - crl.last_update_utc == timedelta(hours=24)
    ca = x509.load_pem_x509_certificate(server.ca_file.read_bytes())
    assert crl.issuer == ca.subject
    key_id = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ski = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert key_id.key_identifier == ski.digest


def test_it_is_the_same_on_all_paths_and_listeners(server: RunningServer, plain: PlainPort):
    plain.crl()
    paths = ("/crl/iss-local", "/crls/iss-local.crl", "/ca/iss-local.crt")
    for path in paths:
        over_tls = fetch(server, "GET", PKI + path)
        without = plain.fetch("GET", path)
        assert (over_tls.status, without.status) == (200, 200), path
        assert without.headers["Content-Type"] == over_tls.headers["Content-Type"]
    tls12 = server.environment["CERTCTL_TLS12_PORT"]
    command = ["curl", "-sS", "--fail", "--tls-max", "1.2", "--cacert", str(server.ca_file)]
    command += [f"https://localhost:{tls12}{PKI}/crl/iss-local", "-o", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    x509.load_der_x509_crl(done.stdout)


def test_head_and_conditional_requests(plain: PlainPort):
    plain.crl()
    full = plain.fetch("GET", "/crl/iss-local")
    assert full.headers["Content-Type"] == "application/pkix-crl"
    assert full.headers["Cache-Control"].startswith("public, max-age=")
    head = plain.fetch("HEAD", "/crl/iss-local")
    while head.headers["ETag"] != full.headers["ETag"]:
        # A revocation of another test has come in between.
        full, head = plain.fetch("GET", "/crl/iss-local"), plain.fetch("HEAD", "/crl/iss-local")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))
    tag, modified = full.headers["ETag"], full.headers["Last-Modified"]
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-None-Match": f'"other", W/{tag}'}, 304),
        ({"If-None-Match": '"other"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ):
        answer = plain.fetch("GET", "/crl/iss-local", headers=headers)
        # A revocation of another test may have come in between.
        assert answer.status == status or answer.headers["ETag"] != tag, headers
        assert answer.headers["ETag"]
        assert "Content-Length" not in answer.headers or answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/crl/other", 404),
        ("GET", "/crl/iss-local/", 404),
        ("GET", "/crl/..%2fiss-local", 404),
        ("GET", "/crls/iss-local", 404),
        ("GET", "/crl/iss-local?format=xml", 400),
        ("POST", "/crl/iss-local", 405),
        ("PUT", "/ca/iss-local.crt", 405),
        ("DELETE", "/ocsp/iss-local", 405),
        ("GET", "/ocsp/iss-local", 405),
        ("GET", "/ocsp/other/01", 404),
    ],
)
def test_other_paths_and_methods(plain: PlainPort, method: str, path: str, status: int):
    assert plain.fetch(method, path).status == status


@pytest.mark.parametrize(
    "path", ["/../est/cacerts", "/../../health", "/../../ready", "/../est/corp/cacerts"]
)
def test_nothing_else_is_on_the_plain_port(plain: PlainPort, path: str):
    assert plain.fetch("GET", path).status == 404
    url = f"http://127.0.0.1:{plain.port}/.well-known/est/corp/cacerts"
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "404"


def test_the_ca_certificate_can_be_had(server: RunningServer, plain: PlainPort):
    ca = x509.load_pem_x509_certificate(server.ca_file.read_bytes())
    der = plain.fetch("GET", "/ca/iss-local.crt")
    assert der.body == ca.public_bytes(Encoding.DER)
    assert der.headers["Content-Type"] == "application/pkix-cert"
    pem = plain.fetch("GET", "/ca/iss-local.crt?format=pem")
    assert x509.load_pem_x509_certificate(pem.body) == ca


def test_certificates_say_where_their_status_is(plain: PlainPort, device: Device):
    assert device.certificate is not None
    extensions = device.certificate.extensions
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    base = f"http://pki.example.com:{plain.port}{PKI}"
    assert points[0].full_name is not None
    assert points[0].full_name[0].value == f"{base}/crls/iss-local.crl"
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {each.access_method: each.access_location.value for each in access} == {
        AuthorityInformationAccessOID.OCSP: f"{base}/ocsp/iss-local",
        AuthorityInformationAccessOID.CA_ISSUERS: f"{base}/ca/iss-local.crt",
    }


def by_post(server: RunningServer, plain: PlainPort, device: Device, nonce: str) -> str:
    url = f"http://localhost:{plain.port}{PKI}/ocsp/iss-local"
    about = ("-issuer", server.ca_file, "-cert", device.certificate_file)
    return openssl("ocsp", *about, "-CAfile", server.ca_file, nonce, "-url", url)


def by_get(server: RunningServer, plain: PlainPort, device: Device, nonce: str) -> str:
    """openssl has no GET: it writes the request and reads the answer."""
    request, response = device.directory / "request.der", device.directory / "response.der"
    about = ("-issuer", server.ca_file, "-cert", device.certificate_file)
    openssl("ocsp", *about, nonce, "-reqout", request)
    path = quote(base64.b64encode(request.read_bytes()), safe="")
    answer = plain.fetch("GET", f"/ocsp/iss-local/{path}")
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    kept = "max-age" in answer.headers["Cache-Control"]
    assert kept is (nonce == "-no_nonce"), answer.headers
    response.write_bytes(answer.body)
    # Without -no_nonce it would put another one into the request that it reads.
    asked = ("-respin", response, "-reqin", request, "-no_nonce")
    return openssl("ocsp", *about, *asked, "-CAfile", server.ca_file)


@pytest.mark.parametrize("ask", [by_get, by_post])
@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
def test_openssl_asks_before_and_after_a_revocation(
    server: RunningServer,
    plain: PlainPort,
    device: Device,
    ask: Callable[[RunningServer, PlainPort, Device, str], str],
    nonce: str,
):
    before = ask(server, plain, device, nonce)
    assert "Response verify OK" in before
    assert f"{device.certificate_file}: good" in before

    revoke(server, serial_of(device), "certificateHold")

    def told() -> str | None:
        text = ask(server, plain, device, nonce)
        return text if f"{device.certificate_file}: revoked" in text else None

    after = eventually(told, OCSP_SECONDS)
    assert "Response verify OK" in after
    assert "Reason: certificateHold" in after


def test_every_worker_says_revoked_at_once(server: RunningServer, plain: PlainPort, device: Device):
    serial = f"{serial_of(device):x}"

    def says() -> ocsp.OCSPCertStatus:
        answer = plain.fetch("GET", f"/ocsp/iss-local/{serial}")
        return ocsp.load_der_ocsp_response(answer.body).certificate_status

    # Connections are spread over both workers; each has its own answers by then.
    assert {says() for _ in range(20)} == {ocsp.OCSPCertStatus.GOOD}
    revoke(server, serial_of(device))
    eventually(
        lambda: all(says() is ocsp.OCSPCertStatus.REVOKED for _ in range(20)) or None,
        OCSP_SECONDS,
    )


def test_the_responder_is_on_record_and_only_a_responder(server: RunningServer, plain: PlainPort):
    answer = plain.fetch("GET", "/ocsp/iss-local/1234")
    response = ocsp.load_der_ocsp_response(answer.body)
    assert response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    (certificate,) = response.certificates
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    certificate.extensions.get_extension_for_oid(ExtensionOID.OCSP_NO_CHECK)
    records = server.records()
    (record,) = records.with_serial(f"{certificate.serial_number:x}")
    records.close()
    assert record.source.value == "internal"
    assert (server.ca_file.parent / "ocsp-iss-local.pem").stat().st_mode & 0o777 == 0o600


def test_pkilint_finds_no_fault_in_crl_and_answers(
    server: RunningServer, plain: PlainPort, device: Device, tmp_path: Path
):
    assert device.certificate is not None
    serial = f"{serial_of(device):x}"
    good = plain.fetch("GET", f"/ocsp/iss-local/{serial}").body
    assert findings("lint_ocsp_response", good, tmp_path) == ""
    der = device.certificate.public_bytes(Encoding.DER)
    assert findings("lint_pkix_cert", der, tmp_path) == ""
    revoke(server, serial_of(device), "keyCompromise")
    assert eventually(lambda: listed(plain, serial_of(device)), CRL_SECONDS)
    crl = plain.crl().public_bytes(Encoding.DER)
    assert findings("lint_crl", crl, tmp_path, "-t", "CRL", "-p", "PKIX") == ""
    revoked = plain.fetch("GET", f"/ocsp/iss-local/{serial}").body
    assert findings("lint_ocsp_response", revoked, tmp_path) == ""
