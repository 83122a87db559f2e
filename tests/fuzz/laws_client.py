"""What must hold for any octets with which a server answers our own client.

A server may be anything: whatever it sends ends in an answer or in ``BadAnswer``, and what a
person is shown of it is short and printable.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.client.address import Address
from certctl.client.answers import certificates_in, octets_of, server_made
from certctl.client.doctor.certificate import check_certificate
from certctl.client.doctor.est import check_cas, check_clock
from certctl.client.doctor.report import Report, Verdict
from certctl.client.doctor.revocation import crl_urls, judge_crl, judge_ocsp, ocsp_urls
from certctl.client.doctor.tls import Peer
from certctl.client.est import _ours_first
from certctl.client.failures import MOST_CHARACTERS, MOST_LINES, BadAnswer, ClientFailure
from certctl.client.http import Answer, exchange
from certctl.client.tls import Codes, Fault, TlsConnection
from certctl.mcp.backend import EstAnswer, ToolFailure
from certctl.mcp.certificates import certificate_out, certificates_of, own_first
from certctl.wire.unreadable import UNREADABLE, quiet
from tests.fuzz.hierarchy import MIDDLE_KEY, NOW, middle, name
from tests.fuzz.laws_wire import MAX_NOTE

MAX_COMPARED = 4_000
"""Octets. Longer ones are not read octet by octet: that costs the square of their number."""

UNTRUSTED = 20
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY of OpenSSL."""

_HERE = Address(host="est.example", port=443)


def answers(data: bytes) -> None:
    """A first line as Content-Type, and a body: of each kind that there is."""
    head, _, body = data.partition(b"\n")
    # RFC 9112 §5: neither can be in a field; h11 takes none with them.
    head = head.replace(b"\r", b" ").replace(b"\0", b" ")
    answer = Answer(
        status=200,
        headers={"content-type": head.decode("latin-1"), "x-request-id": head.decode("latin-1")},
        body=body,
    )
    check_refused(answer.refused("simpleenroll"))
    try:
        found = certificates_in(body, "cacerts")
    except BadAnswer as bad:
        check_refused(bad)
    else:
        octets = octets_of(body, "cacerts")
        assert found
        assert all(each.public_bytes(Encoding.DER) in octets for each in found)
        with suppress(BadAnswer):
            first = _ours_first(found, _request())[0]
            assert first.public_key() == MIDDLE_KEY.public_key()
    try:
        made = server_made(answer)
    except BadAnswer as bad:
        check_refused(bad)
    else:
        assert made.key
        assert made.certificates


@cache
def _request() -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder(name("fuzz middle"))
    return builder.sign(MIDDLE_KEY, None)


def doctor(data: bytes) -> None:
    """The doctor has a word for whatever a server, a CRL's address or a responder gives."""
    report = Report("https://est.example/.well-known/est")
    with suppress(*UNREADABLE), quiet():
        certificate = x509.load_der_x509_certificate(data)
        _looked_at(certificate, report)
    issuer = x509.load_der_x509_certificate(middle())
    with quiet():
        judge_crl("http://crl.example/", data, [issuer], NOW, report)
        judge_ocsp("http://ocsp.example/", data, issuer, NOW, report)
    check_clock(
        Answer(status=200, headers={"date": data[:100].decode("latin-1")}, body=b""), NOW, report
    )
    assert report.results
    for result in report.results:
        for text in (result.text, result.remedy):
            assert text.isprintable(), f"unprintable {text!r}"
            assert len(text) <= 2 * MAX_NOTE
        assert bool(result.finding) is (result.verdict is Verdict.FINDING)


def _looked_at(certificate: x509.Certificate, report: Report) -> None:
    try:
        for code in (Codes.ERR_HOSTNAME_MISMATCH, Codes.ERR_CERT_HAS_EXPIRED, UNTRUSTED):
            peer = Peer(chain=(certificate,), faults=(Fault(code, 0),))
            check_certificate(peer, _HERE, [], NOW, report)
        for each in check_cas([certificate], NOW, report):
            assert each.subject is not None
        assert all(isinstance(url, str) for url in crl_urls(certificate))
        assert all(isinstance(url, str) for url in ocsp_urls(certificate))
    except UNREADABLE as err:
        raise AssertionError(f"not told as a finding: {err!r}") from err


def mcp_answer(data: bytes) -> None:
    """Certificates for tools: what a server wrote in them is marked, printable and cut."""
    try:
        found = certificates_of(EstAnswer(status=200, octets=data))
        shown = [certificate_out(each) for each in found]
        csr = _request().public_bytes(Encoding.DER)
        assert own_first(found, csr)[0].public_key() == MIDDLE_KEY.public_key()
    except ToolFailure as failure:
        if failure.error != "bad_answer":
            raise
        return
    for each in shown:
        for text in (each.subject, each.issuer, *each.sans):
            assert text.untrusted.isprintable()
        with quiet():
            assert x509.load_pem_x509_certificate(each.pem.encode()) in found


def check_refused(failure: ClientFailure) -> None:
    lines = failure.lines()
    assert len(lines) <= MOST_LINES + 3
    for line in lines:
        assert line.isprintable(), f"unprintable {line!r}"
        assert len(line) <= max(MAX_NOTE, MOST_CHARACTERS)


@dataclass(slots=True)
class _Said:
    """A connection on which the server has said all it will: pieces, then its end."""

    pieces: list[bytes]

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"GET /cacerts HTTP/1.1\r\n")

    def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def http_answer(data: bytes) -> None:
    """The same answer in whatever pieces it comes."""
    whole = _heard([data] if data else [])
    for size in (1, 7):
        if len(data) > MAX_COMPARED:
            return
        cut = _heard([data[at : at + size] for at in range(0, len(data), size)])
        assert cut == whole, f"in pieces of {size}: {cut} and not {whole}"


def _heard(pieces: list[bytes]) -> Answer | None:
    connection = cast("TlsConnection", _Said(pieces))
    with suppress(BadAnswer):
        answer = exchange(connection, _HERE, method="GET", path="/cacerts", headers={})
        assert 200 <= answer.status <= 999
        assert all(name == name.lower() for name in answer.headers)
        assert answer.retry_after is None or answer.retry_after >= 0
        check_refused(answer.refused("cacerts"))
        return answer
    return None
