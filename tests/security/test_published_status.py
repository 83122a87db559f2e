"""Attacks on what relying parties are told of certificates, on the port without TLS."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.harness.device import Device, name
from tests.harness.http import basic
from tests.harness.published import (
    OCSP_SECONDS,
    PlainPort,
    crl_number,
    eventually,
    publishing_settings,
    revoke,
)
from tests.harness.records import Ledger
from tests.harness.server import RunningServer, configured_server, free_port

PASSWORD = "corp-password-0001"
ENROLL = "/.well-known/est/corp/simpleenroll"
MALFORMED = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
OCSP = "/ocsp/iss-local"


@pytest.fixture(scope="module")
def port() -> PlainPort:
    return PlainPort(port=free_port())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: PlainPort) -> Iterator[RunningServer]:
    settings = publishing_settings(port, PASSWORD) | {
        "CRL_DEBOUNCE": "1s",
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
def ledger(server: RunningServer) -> Ledger:
    return Ledger(server, path=ENROLL)


@pytest.fixture
def ca(server: RunningServer) -> x509.Certificate:
    return x509.load_pem_x509_certificate(server.ca_file.read_bytes())


@pytest.fixture
def device(server: RunningServer, tmp_path: Path) -> Device:
    device = Device(tmp_path)
    assert device.enroll(server, ENROLL, password=PASSWORD).status == 200
    return device


def certificate_of(device: Device) -> x509.Certificate:
    assert device.certificate is not None
    return device.certificate


def forged(
    ca: x509.Certificate, serial: int, *, subject: x509.Name | None = None
) -> x509.Certificate:
    """With the CA's name as issuer and a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(subject or name("never issued"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(ca.not_valid_before_utc)
        .not_valid_after(ca.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )


def question(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    nonce: bytes | None = None,
    algorithm: hashes.SHA1 | hashes.SHA256 | None = None,
) -> bytes:

    builder = ocsp.OCSPRequestBuilder().add_certificate(
        certificate,
        issuer,
        algorithm or hashes.SHA1(),  # noqa: S303 - what nearly all ask with
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def told(plain: PlainPort, request: bytes) -> ocsp.OCSPResponse:
    answer = plain.fetch("POST", OCSP, body=request)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    return ocsp.load_der_ocsp_response(answer.body)


def test_a_serial_never_issued_is_unknown_and_not_kept(
    plain: PlainPort, ca: x509.Certificate, ledger: Ledger
):
    for serial in (1, (1 << 158) + 7):
        assert told(plain, question(forged(ca, serial), ca)).certificate_status is (
            ocsp.OCSPCertStatus.UNKNOWN
        )
        answer = plain.fetch("GET", f"{OCSP}/{serial:x}")
        assert ocsp.load_der_ocsp_response(answer.body).certificate_status is (
            ocsp.OCSPCertStatus.UNKNOWN
        )
        assert answer.headers["Cache-Control"] == "no-store"
    ledger.expect_nothing()


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303
def test_a_certid_of_another_issuer_learns_nothing(
    plain: PlainPort,
    ca: x509.Certificate,
    device: Device,
    algorithm: hashes.SHA1 | hashes.SHA256,
):
    """The same serial and name, another key: full match, or no status (RFC 6960 §4.1.1)."""
    impostor = forged(ca, 5, subject=ca.subject)
    certificate = certificate_of(device)
    refused = told(plain, question(certificate, impostor, algorithm=algorithm))
    assert refused.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    good = told(plain, question(certificate, ca, algorithm=algorithm))
    assert good.certificate_status is ocsp.OCSPCertStatus.GOOD


@pytest.mark.parametrize("octets", [1, 16, 128])
def test_a_nonce_is_echoed_and_its_answer_never_kept(
    plain: PlainPort, ca: x509.Certificate, device: Device, octets: int
):
    request = question(certificate_of(device), ca, nonce=b"\x2a" * octets)
    for _ in range(3):
        answer = plain.fetch("POST", OCSP, body=request)
        response = ocsp.load_der_ocsp_response(answer.body)
        echoed = response.extensions.get_extension_for_class(x509.OCSPNonce).value
        assert echoed.nonce == b"\x2a" * octets
        assert answer.headers["Cache-Control"] == "no-store"
    without = told(plain, question(certificate_of(device), ca))
    assert len(without.extensions) == 0


@pytest.mark.parametrize("octets", [0, 129, 2_000])
def test_a_nonce_of_another_length_is_malformed(
    plain: PlainPort, ca: x509.Certificate, device: Device, octets: int
):
    request = question(certificate_of(device), ca, nonce=b"\x2a" * octets)
    assert told(plain, request).response_status is MALFORMED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x30\x00",
        b"\x00" * 100,
        b"\xff" * 4_096,
        b"\x30\x80" * 2_000,
        b"A" * 4_097,
        b"A" * 1_000_000,
        b"\x30\x84\xff\xff\xff\xff" + b"\x30" * 50,
    ],
)
def test_garbage_gets_an_ocsp_error(plain: PlainPort, ledger: Ledger, body: bytes):
    assert told(plain, body).response_status is MALFORMED
    ledger.expect_nothing()


@pytest.mark.parametrize("path", ["M", "MFE", "%4d%zz", "MAAA", "%00", "..%2f..%2f", "zz" * 400])
def test_a_garbled_path_gets_an_ocsp_error(plain: PlainPort, path: str):
    answer = plain.fetch("GET", f"{OCSP}/{path}")
    assert answer.status == 200
    assert ocsp.load_der_ocsp_response(answer.body).response_status is MALFORMED
    assert answer.headers["Cache-Control"] == "no-store"


def test_each_octet_cut_or_changed_gets_an_ocsp_answer(
    plain: PlainPort, ca: x509.Certificate, device: Device
):
    request = question(certificate_of(device), ca)
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as sock:
        reader = sock.makefile("rb")
        for place in range(len(request)):
            changed = bytearray(request)
            changed[place] ^= 0x41
            for body in (request[:place], bytes(changed)):
                head = f"POST /.well-known/pki{OCSP} HTTP/1.1\r\nHost: x\r\nContent-Length: "
                sock.sendall(head.encode() + b"%d\r\n\r\n" % len(body) + body)
                assert reader.readline().split()[1] == b"200"
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.startswith(b"Content-Length"):
                        length = int(line.split()[1])
                ocsp.load_der_ocsp_response(reader.read(length))


def test_no_stale_answer_after_a_revocation_or_a_replaced_reason(
    server: RunningServer, plain: PlainPort, ca: x509.Certificate, device: Device
):
    """Both workers have signed and kept an answer; none gives it again."""
    request = question(certificate_of(device), ca)
    for _ in range(20):
        assert told(plain, request).certificate_status is ocsp.OCSPCertStatus.GOOD
    for reason, flag in (
        ("certificateHold", x509.ReasonFlags.certificate_hold),
        ("keyCompromise", x509.ReasonFlags.key_compromise),
    ):
        revoke(server, certificate_of(device).serial_number, reason)

        def says(flag: x509.ReasonFlags = flag) -> bool:
            answers = [told(plain, request) for _ in range(20)]
            return all(each.revocation_reason is flag for each in answers)

        assert eventually(says, OCSP_SECONDS)


def test_the_crl_goes_on_after_a_restart_with_another_number(
    server: RunningServer, plain: PlainPort, device: Device
):
    serial = certificate_of(device).serial_number
    revoke(server, serial)

    def with_it() -> x509.CertificateRevocationList | None:
        found = plain.crl()
        return found if found.get_revoked_certificate_by_serial_number(serial) else None

    crl = eventually(with_it, 15)
    plain.settle()
    server.stop()
    server.start()
    again = plain.crl()
    assert again == crl, "nothing has changed: the same CRL, not another one of its number"
    fresh = Device(device.directory, "device-2")
    assert fresh.enroll(server, ENROLL, password=PASSWORD).status == 200
    revoke(server, certificate_of(fresh).serial_number)
    later = eventually(
        lambda: found if crl_number(found := plain.crl()) > crl_number(crl) else None, 15
    )
    listed = {each.serial_number for each in later}
    assert {serial, certificate_of(fresh).serial_number} <= listed


@pytest.mark.parametrize(
    "target",
    [
        "/health",
        "/ready",
        "/",
        "/.well-known/est/corp/cacerts",
        "/.well-known/est/cacerts",
        "/.well-known/pki/../est/corp/cacerts",
        "/.well-known/pki/%2e%2e/est/corp/cacerts",
        "/.well-known/pki/crl/iss-local/../../../est/corp/cacerts",
        "//.well-known/est/corp/cacerts",
        "http://x/.well-known/est/corp/cacerts",
        "/.well-known/PKI/crl/iss-local",
    ],
)
def test_the_port_without_tls_serves_nothing_else(plain: PlainPort, ledger: Ledger, target: str):
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as sock:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.makefile("rb").read().startswith(b"HTTP/1.1 404 ")
    ledger.expect_nothing()


def test_enrolling_without_tls_is_not_there(plain: PlainPort, ledger: Ledger, tmp_path: Path):
    """Not even a password is looked at."""
    device = Device(tmp_path, "eve")
    headers = basic("eve", PASSWORD) | {"Content-Type": "application/pkcs10"}
    connection = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=20)
    connection.request("POST", ENROLL, body=device.body(), headers=headers)
    assert connection.getresponse().status == 404
    connection.close()
    ledger.expect_nothing()


def test_one_source_gets_no_more_than_its_share(tmp_path: Path):
    plain = PlainPort(port=free_port())
    settings = {
        "EST_ENABLED": "false",
        "PKI_HTTP_PORT": str(plain.port),
        "OCSP_RATE_LIMIT_PER_IP_MIN": "5",
        "WORKERS": "1",
    }
    with configured_server(tmp_path, settings):
        plain.settle()
        answers = [plain.fetch("GET", f"{OCSP}/1234") for _ in range(12)]
        statuses = [each.status for each in answers]
        # A clock minute may end in between.
        assert statuses.count(429) >= 2
        assert statuses[:5] == [200] * 5
        refused = next(each for each in answers if each.status == 429)
        assert refused.headers["Retry-After"] == "60"
        response = ocsp.load_der_ocsp_response(refused.body)
        assert response.response_status is ocsp.OCSPResponseStatus.TRY_LATER
        assert plain.fetch("GET", "/crl/iss-local").status == 200, "CRLs are for everybody"
