"""Requests in all the forms that real clients send them: each gets its certificate."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.clients.identities import password
from tests.clients.raw_http import END_OF_HEADER, RawAnswer, authorization, exchange, post
from tests.harness.device import Device, certificates_of

pytestmark = pytest.mark.clients

ENROLL = "/.well-known/est/demo/simpleenroll"
PKCS10 = "Content-Type: application/pkcs10"
BASE64 = "Content-Transfer-Encoding: base64"

Form = Callable[[Device], bytes]


def der(device: Device) -> bytes:
    return device.csr().public_bytes(Encoding.DER)


def folded(device: Device) -> bytes:
    octets = base64.b64encode(der(device))
    return b"\n".join(octets[i : i + 64] for i in range(0, len(octets), 64)) + b"\n"


def one_line(device: Device) -> bytes:
    return base64.b64encode(der(device))


def crlf(device: Device) -> bytes:
    return folded(device).replace(b"\n", b"\r\n")


def trailing_lines(device: Device) -> bytes:
    return folded(device) + b"\n\n\r\n"


def pem(device: Device) -> bytes:
    return device.csr().public_bytes(Encoding.PEM)


def new_pem(device: Device) -> bytes:
    return pem(device).replace(b" CERTIFICATE REQUEST", b" NEW CERTIFICATE REQUEST")


FORMS: dict[str, tuple[Form, tuple[str, ...]]] = {
    "libest: folded, no transfer encoding": (folded, (PKCS10,)),
    "strongSwan: one line, no newline": (one_line, (PKCS10, BASE64)),
    "small clients: PEM said to be base64": (pem, (PKCS10, BASE64)),
    "Cisco IOS 15: PEM": (pem, ("Content-Type: application/x-pem-file",)),
    "Cisco IOS 16: trailing newlines": (trailing_lines, (PKCS10, BASE64)),
    "some firmware: CRLF folding": (crlf, (PKCS10, BASE64)),
    "older tools: NEW CERTIFICATE REQUEST": (new_pem, (PKCS10,)),
    "no content type at all": (folded, ()),
    "raw DER": (der, (PKCS10,)),
}


def assert_enrolled(answer: RawAnswer, device: Device) -> None:
    assert answer.status_line == "HTTP/1.1 200 OK", answer.everything
    (certificate,) = certificates_of(answer.body)
    assert certificate.public_key() == device.key.public_key()


@pytest.mark.parametrize("form", FORMS)
def test_body_in_the_form_of(server, tmp_path, form):
    device = Device(tmp_path)
    body, lines = FORMS[form]
    request = post(ENROLL, body(device), authorization("device-1", password(server)), *lines)
    assert_enrolled(exchange(server, request), device)


def test_without_host_names_beyond_host_over_http_1_0(server, tmp_path):
    device = Device(tmp_path)
    body = folded(device)
    lines = [
        f"POST {ENROLL} HTTP/1.0",
        authorization("device-1", password(server)),
        f"Content-Length: {len(body)}",
    ]
    answer = exchange(server, "\r\n".join(lines).encode() + END_OF_HEADER + body)
    assert_enrolled(answer, device)
    assert answer.field("Content-Length") == str(len(answer.body))


def test_chunked_in_small_pieces(server, tmp_path):
    device = Device(tmp_path)
    body = folded(device)
    pieces = [body[i : i + 50] for i in range(0, len(body), 50)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    lines = [
        f"POST {ENROLL} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Transfer-Encoding: chunked",
        authorization("device-1", password(server)),
    ]
    request = "\r\n".join(lines).encode() + END_OF_HEADER + chunks + b"0\r\n\r\n"
    assert_enrolled(exchange(server, request), device)


def test_empty_user_name(server, tmp_path):
    # RFC 7030 §3.2.3 lets the server ignore the user name.
    device = Device(tmp_path)
    request = post(ENROLL, folded(device), authorization("", password(server)), PKCS10)
    assert_enrolled(exchange(server, request), device)


def test_password_only_after_a_challenge_on_a_new_connection(server, tmp_path):
    device = Device(tmp_path)
    body = folded(device)
    challenged = exchange(server, post(ENROLL, body, PKCS10))
    assert challenged.status_line == "HTTP/1.1 401 Unauthorized"
    with_password = post(ENROLL, body, PKCS10, authorization("device-1", password(server)))
    assert_enrolled(exchange(server, with_password), device)
