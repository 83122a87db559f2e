"""Answers octet by octet, against what each real client insists on."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography import x509

from tests.clients.identities import load, password
from tests.clients.raw_http import END_OF_HEADER, RawAnswer, authorization, exchange, get, post
from tests.harness.device import Device, certificates_of

pytestmark = pytest.mark.clients

CACERTS = "/.well-known/est/demo/cacerts"
ENROLL = "/.well-known/est/demo/simpleenroll"
USER_AGENT = "User-Agent: a-client/1.0"
ACCEPT = "Accept: */*"

# strongSwan keeps 1,024 octets of header, libest 16 lines; est §6 stays below both.
MAX_HEADER_OCTETS = 1_000
MAX_HEADER_LINES = 12
# libest reads an enroll answer into 4 KB.
MAX_ENROLL_BODY = 4_096
FOLD = 64
# est §6: the two names whose registered spelling is not plain Title-Case.
SPELLED_OTHERWISE = {"WWW-Authenticate", "ETag"}
TITLE_CASE = re.compile(r"[A-Z][a-z0-9]*(-[A-Z][a-z0-9]*)*")


def unfolded(body: bytes) -> bytes:
    return body.replace(b"\n", b"")


def enrollment(server, tmp_path, *, one_line: bool = False, secret: str | None = None) -> RawAnswer:
    device = Device(tmp_path)
    body = unfolded(device.body()) if one_line else device.body()
    return exchange(
        server,
        post(
            ENROLL,
            body,
            authorization(device.common_name, secret or password(server)),
            "Content-Type: application/pkcs10",
        ),
    )


@pytest.fixture(params=["cacerts", "enrolled", "refused", "not found", "wrong method"])
def answer(request, server, tmp_path) -> RawAnswer:
    """Good and bad answers alike: a client parses the header before it knows the status."""
    match request.param:
        case "cacerts":
            return exchange(server, get(CACERTS, USER_AGENT, ACCEPT))
        case "enrolled":
            return enrollment(server, tmp_path)
        case "refused":
            return enrollment(server, tmp_path, secret="wrong")
        case "not found":
            return exchange(server, get("/.well-known/est/demo/nothing"))
        case _:
            return exchange(server, get(ENROLL))


def test_header_fits_every_client(answer):
    assert END_OF_HEADER in answer.first_record
    assert len(answer.header) + len(END_OF_HEADER) < MAX_HEADER_OCTETS
    assert len(answer.header.split(b"\r\n")) <= MAX_HEADER_LINES
    assert re.fullmatch(r"HTTP/1\.1 [1-5][0-9]{2} [A-Za-z ]+", answer.status_line)


def test_header_names_are_in_title_case(answer):
    names = [key for key, _ in answer.fields]
    assert len(names) == len(set(names))
    for key in names:
        assert TITLE_CASE.fullmatch(key) or key in SPELLED_OTHERWISE, key


def test_body_has_the_length_that_was_told_and_is_not_chunked(answer):
    assert answer.field("Content-Length") == str(len(answer.body))
    assert answer.body
    assert answer.field("Transfer-Encoding") is None


def test_no_carriage_return_in_any_body(answer):
    assert b"\r" not in answer.body
    assert answer.body.endswith(b"\n")


def test_closes_when_asked_and_says_so(answer):
    # That the connection ended with a close_notify is proven by `exchange` itself.
    assert answer.field("Connection") == "close"


def test_cacerts(server):
    answer = exchange(server, get(CACERTS, USER_AGENT, ACCEPT))
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert answer.field("Content-Type") == "application/pkcs7-mime"
    assert answer.field("Content-Transfer-Encoding") == "base64"
    assert certificates_of(answer.body) == [load(server.ca_file)]


def test_enrolled(server, tmp_path):
    answer = enrollment(server, tmp_path)
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert answer.field("Content-Type") == "application/pkcs7-mime; smime-type=certs-only"
    assert answer.field("Content-Transfer-Encoding") == "base64"
    assert len(answer.body) <= MAX_ENROLL_BODY
    (certificate,) = certificates_of(answer.body)
    assert isinstance(certificate, x509.Certificate)
    assert certificate.issuer == load(server.ca_file).subject


def test_challenge_is_basic_with_the_realm_and_says_why(server, tmp_path):
    answer = exchange(server, post(ENROLL, Device(tmp_path).body(), USER_AGENT))
    assert answer.status_line == "HTTP/1.1 401 Unauthorized"
    assert answer.field("WWW-Authenticate") == 'Basic realm="est-enrollment"'
    assert answer.field("Content-Type") == "text/plain; charset=utf-8"
    assert b"request-id: " in answer.body


def test_challenge_to_a_bare_client_has_no_body(server, tmp_path):
    # Bouncy Castle's HttpAuth closes the challenge unread, which its own stream
    # refuses as long as octets are left; it sends neither User-Agent nor Accept.
    answer = exchange(server, post(ENROLL, Device(tmp_path).body()))
    assert answer.status_line == "HTTP/1.1 401 Unauthorized"
    assert answer.field("WWW-Authenticate") == 'Basic realm="est-enrollment"'
    assert answer.field("Content-Length") == "0"
    assert answer.body == b""


@pytest.mark.parametrize(
    ("lines", "folded"),
    [
        ((), False),
        ((USER_AGENT,), True),
        ((ACCEPT,), True),
        ((USER_AGENT, ACCEPT), True),
    ],
    ids=["neither", "user agent", "accept", "both"],
)
def test_get_is_folded_unless_the_client_cannot_read_it(server, lines, folded):
    # strongSwan 5.9.8 sends neither User-Agent nor Accept, and reads only one line.
    answer = exchange(server, get(CACERTS, *lines))
    assert_base64(answer.body, folded=folded)


@pytest.mark.parametrize("one_line", [True, False], ids=["one line", "folded"])
def test_post_is_answered_in_the_form_of_its_body(server, tmp_path, one_line):
    answer = enrollment(server, tmp_path, one_line=one_line)
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert_base64(answer.body, folded=not one_line)


def assert_base64(body: bytes, *, folded: bool) -> None:
    lines = body.split(b"\n")
    assert lines.pop() == b""
    if folded:
        assert len(lines) > 1
        assert {len(line) for line in lines[:-1]} == {FOLD}
        assert 0 < len(lines[-1]) <= FOLD
    else:
        assert len(lines) == 1
    assert base64.b64decode(b"".join(lines), validate=True)[:1] == b"\x30"
