"""Bodies that are no PKCS#10 request: each is 400, on record, and nothing is issued."""

from __future__ import annotations

import base64
import os

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, encode, encode_oid
from tests.harness.raw import RawClient, chunked, head, post
from tests.harness.records import Ledger, Refused, refused
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, REENROLL, GoodClient, assert_refused
from tests.unit.wire import forge

DEPTH = 10_000
GIANT = 30_000
NULL = b"\x05\x00"
GOOD = forge.request()
INDEFINITE = b"\x30\x80" + GOOD[4:] + b"\x00\x00"
SUBJECT_END = encode_oid("2.5.4.3")


def extension_list(*octets: bytes) -> bytes:
    return forge.attribute(forge.EXTENSION_REQUEST, encode(SEQUENCE, *octets))


def giant_oid() -> bytes:
    """One arc of a quarter of a million bits."""
    return encode(OBJECT_IDENTIFIER, b"\x2a" + b"\xff" * GIANT + b"\x7f")


def named(value: bytes) -> bytes:
    return forge.request(subject=encode(SEQUENCE, value))


CASES = {
    "random octets": bytes(range(256)) * 4,
    "text": b"please may I have a certificate",
    "html": b"<html><body>It works!</body></html>",
    "json": b'{"csr": "MIIB"}',
    "base64 of text": base64.b64encode(b"no DER in here"),
    "base64url": base64.urlsafe_b64encode(b"\xfb\xff" * 60),
    "base64 with a stray octet": base64.b64encode(GOOD)[:100]
    + b"\x00"
    + base64.b64encode(GOOD)[100:],
    "base64 padded in the middle": base64.b64encode(GOOD[:100]) + base64.b64encode(GOOD[100:]),
    "only blanks": b" \r\n\t " * 100,
    "one nul": b"\0",
    "PEM of a key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "PEM of nothing": b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
    "two PEM requests": 2
    * (
        b"-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(GOOD)
        + b"-----END CERTIFICATE REQUEST-----\n"
    ),
    "indefinite length": INDEFINITE,
    "indefinite length in base64": base64.b64encode(INDEFINITE),
    "length not minimal": b"\x30\x83\x00" + GOOD[2:4] + GOOD[4:],
    "length of 127 octets": b"\x30\xff" + b"\xff" * 127 + GOOD,
    "length of four gigabytes": b"\x30\x84\xff\xff\xff\xff" + GOOD,
    "trailing octet": GOOD + b"\x00",
    "trailing request": GOOD + GOOD,
    "trailing octets in base64": base64.b64encode(GOOD + b"\x00" * 100),
    "nested 10,000 deep": forge.nested(DEPTH),
    "indefinite lengths nested 10,000 deep": b"\x30\x80" * DEPTH + b"\x00\x00" * DEPTH,
    "nested 10,000 deep as subject": forge.request(subject=forge.nested(DEPTH)),
    "nested 10,000 deep as key": forge.request(spki=forge.nested(DEPTH)),
    "nested 10,000 deep as extensions": forge.request(extension_list(forge.nested(DEPTH))),
    "giant OID as attribute": forge.request(encode(SEQUENCE, giant_oid(), encode(0x31, NULL))),
    "giant OID in the subject": named(
        encode(0x31, encode(SEQUENCE, giant_oid(), encode(forge.UTF8, b"x")))
    ),
    "giant OID as extension": forge.request(
        extension_list(encode(SEQUENCE, giant_oid(), encode(OCTET_STRING, NULL)))
    ),
    "giant OID as purpose": forge.request(
        forge.extensions(forge.extension("2.5.29.37", encode(SEQUENCE, giant_oid())))
    ),
    "giant OID as signature algorithm": forge.sealed(
        forge.info(), algorithm=encode(SEQUENCE, giant_oid())
    ),
    "giant OID in a SAN": forge.request(
        forge.extensions(forge.sans(encode(0xA0, giant_oid(), encode(0xA0, NULL))))
    ),
    "giant version": forge.request(version=encode(0x02, b"\x7f" * GIANT)),
    "version 1": forge.request(version=b"\x02\x01\x01"),
    "empty sequence": encode(SEQUENCE),
    "sequence of empty sequences": encode(SEQUENCE, *[encode(SEQUENCE)] * 3),
    "empty key": forge.request(spki=encode(SEQUENCE)),
    "empty RDN": named(encode(0x31)),
    "empty extensions": forge.request(extension_list()),
    "empty extension": forge.request(extension_list(encode(SEQUENCE))),
    "empty EKU": forge.request(forge.extensions(forge.eku())),
    "empty SAN": forge.request(forge.extensions(forge.sans())),
    "empty key usage": forge.request(
        forge.extensions(forge.extension("2.5.29.15", encode(0x03, b"\x00")))
    ),
    "two extensionRequests": forge.request(
        forge.extensions(forge.eku(forge.CLIENT_AUTH)),
        forge.extensions(forge.sans(forge.dns("a.example.com"))),
    ),
    "extensionRequest and Microsoft's": forge.request(
        forge.extensions(forge.eku(forge.CLIENT_AUTH)),
        forge.extensions(forge.sans(forge.dns("a.example.com")), oid=forge.MICROSOFT),
    ),
    "extensionRequest without value": forge.request(forge.attribute(forge.EXTENSION_REQUEST)),
    "extensionRequest with two values": forge.request(
        forge.attribute(
            forge.EXTENSION_REQUEST,
            encode(SEQUENCE, forge.eku(forge.CLIENT_AUTH)),
            encode(SEQUENCE, forge.sans(forge.dns("a.example.com"))),
        )
    ),
    "the same extension twice": forge.request(
        forge.extensions(forge.eku(forge.CLIENT_AUTH), forge.eku(forge.SERVER_AUTH))
    ),
    "challengePassword without value": forge.request(forge.attribute(forge.CHALLENGE)),
    "challengePassword with two values": forge.request(
        forge.attribute(forge.CHALLENGE, encode(forge.UTF8, b"a"), encode(forge.UTF8, b"b"))
    ),
    "challengePassword that is no string": forge.request(forge.attribute(forge.CHALLENGE, NULL)),
    "a thousand attributes": forge.request(
        *(forge.attribute(f"1.2.3.{n}", NULL) for n in range(1_000))
    ),
    "a thousand extensions": forge.request(
        extension_list(*(forge.extension(f"1.2.3.{n}", NULL) for n in range(1_000)))
    ),
    "text that is not UTF-8": forge.request(
        subject=encode(
            SEQUENCE,
            encode(0x31, encode(SEQUENCE, SUBJECT_END, encode(forge.UTF8, b"\xff\xfe"))),
        )
    ),
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES.keys())
def test_refused_and_on_record(server: RunningServer, authorization: str, body: bytes) -> None:
    ledger = Ledger(server)
    with RawClient(server) as client:
        client.send(post(ENROLL, body, authorization))
        assert_refused(client.answer(), 400, "PKCS#10 request (RFC 7030 §4.2.1")
        client.send(head("GET", "/health"))
        assert client.answer().status == 200
    change = ledger.expect(
        Refused(
            action=AuditAction.SIMPLE_ENROLL_FAILED,
            reason="csr_invalid",
            counter=Counter.CSR_INVALID,
        )
    )
    (event,) = change.events
    assert event.source_address == client.source
    assert event.request_id


def test_empty_body_is_refused(server: RunningServer, authorization: str) -> None:
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(head("POST", ENROLL, authorization))
        assert_refused(client.answer(), 400, "The body is empty")


def test_garbage_in_a_renewal_is_a_failed_renewal(
    server: RunningServer, authorization: str
) -> None:
    with (
        refused(server, AuditAction.SIMPLE_REENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(post(REENROLL, b"garbage", authorization))
        assert_refused(client.answer(), 400, "not base64")


def test_garbage_in_chunks_is_refused(server: RunningServer, authorization: str) -> None:
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(head("POST", ENROLL, authorization, "Transfer-Encoding: chunked"))
        client.send(chunked(*[b"\x30\x80"] * 100))
        assert_refused(client.answer(), 400, "BER, not DER")


def test_parsers_are_not_for_the_unauthenticated(server: RunningServer) -> None:
    """Without a credential every body gets the same answer: nobody looked at it."""
    ledger = Ledger(server)
    texts = set()
    with RawClient(server) as client:
        for body in CASES.values():
            client.send(post(ENROLL, body, "Accept: */*"))
            answer = client.answer()
            assert_refused(answer, 401, "no credential")
            texts.add(answer.text.rpartition("request-id")[0])
    assert len(texts) == 1
    ledger.expect_nothing()


def test_flood_of_random_octets_harms_nobody(
    server: RunningServer, authorization: str, good_client: GoodClient
) -> None:
    flood = 500
    ledger = Ledger(server)
    with good_client, RawClient(server, source="127.0.0.3") as client:
        for number in range(flood):
            client.send(post(ENROLL, os.urandom(number + 1), authorization))
            assert_refused(client.answer(), 400)
    ledger.expect(
        Refused(
            action=AuditAction.SIMPLE_ENROLL_FAILED,
            reason="csr_invalid",
            counter=Counter.CSR_INVALID,
            times=flood,
        ),
        issued=good_client.enrolled,
    )
