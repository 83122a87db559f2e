"""What a CSR asks for beyond names and key: a CA's powers, other purposes, other validity."""

from __future__ import annotations

import pytest

from certctl.domain.audit import AuditAction, Counter
from certctl.wire.der import INTEGER, SEQUENCE, encode
from tests.harness.device import certificates_of
from tests.harness.raw import RawClient, post
from tests.harness.records import Ledger, refused
from tests.harness.server import RunningServer
from tests.security.enrollment import ENROLL, assert_refused
from tests.unit.wire import forge

TRUE = b"\x01\x01\xff"
ANY_PURPOSE = "2.5.29.37.0"
PRIVATE_KEY_USAGE_PERIOD = "2.5.29.16"
# 2.5.29.16: notBefore and notAfter of the year 2000 and 9999.
PERIOD = encode(SEQUENCE, encode(0x80, b"20000101000000Z"), encode(0x81, b"99991231235959Z"))


def usage(octets: str) -> bytes:
    return forge.extension("2.5.29.15", bytes.fromhex(octets), critical=True)


def constraints(*parts: bytes) -> bytes:
    return forge.extension("2.5.29.19", encode(SEQUENCE, *parts), critical=True)


REFUSED = {
    "CA:TRUE": ("extension", constraints(TRUE)),
    "CA:TRUE with a path length": ("extension", constraints(TRUE, encode(INTEGER, b"\x00"))),
    "path length alone": ("extension", constraints(encode(INTEGER, b"\x00"))),
    "keyCertSign": ("extension", usage("03020204")),
    "cRLSign": ("extension", usage("03020102")),
    "keyCertSign among others": ("extension", usage("03020284")),
    "name constraints": ("extension", forge.extension("2.5.29.30", b"\x30\x00")),
    "certificate policies": ("extension", forge.extension("2.5.29.32", b"\x30\x00")),
    "policy mappings": ("extension", forge.extension("2.5.29.33", b"\x30\x00")),
    "policy constraints": ("extension", forge.extension("2.5.29.36", b"\x30\x00")),
    "inhibit any policy": ("extension", forge.extension("2.5.29.54", b"\x02\x01\x00")),
    "unknown critical extension": (
        "extension",
        forge.extension("1.3.6.1.4.1.99999.1", b"\x05\x00", critical=True),
    ),
    "critical validity of the private key": (
        "extension",
        forge.extension(PRIVATE_KEY_USAGE_PERIOD, PERIOD, critical=True),
    ),
    "any purpose": ("eku", forge.eku(ANY_PURPOSE)),
    "any purpose beside the right one": ("eku", forge.eku(forge.CLIENT_AUTH, ANY_PURPOSE)),
    "server authentication": ("eku", forge.eku(forge.SERVER_AUTH)),
    "OCSP signing": ("eku", forge.eku("1.3.6.1.5.5.7.3.9")),
    "registration authority": ("eku", forge.eku("1.3.6.1.5.5.7.3.28")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_on_record(server: RunningServer, authorization: str, case: str) -> None:
    dimension, extension = REFUSED[case]
    with (
        refused(server, AuditAction.CSR_POLICY_VIOLATION, dimension, Counter.CSR_POLICY_VIOLATION),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, forge.request(forge.extensions(extension)), authorization))
        assert_refused(client.answer(), 400, dimension)


@pytest.mark.parametrize("second", [forge.EXTENSION_REQUEST, forge.MICROSOFT])
def test_two_lists_of_extensions_are_refused(
    server: RunningServer, authorization: str, second: str
) -> None:
    """One reader would take the first, another the second."""
    good = forge.extensions(forge.eku(forge.CLIENT_AUTH))
    evil = forge.extensions(constraints(TRUE), oid=second)
    with (
        refused(server, AuditAction.SIMPLE_ENROLL_FAILED, "csr_invalid", Counter.CSR_INVALID),
        RawClient(server) as client,
    ):
        client.send(post(ENROLL, forge.request(good, evil), authorization))
        assert_refused(client.answer(), 400)


def test_validity_smuggled_in_has_no_effect(server: RunningServer, authorization: str) -> None:
    """Not critical, so dropped: the certificate lives as long as the rules say."""
    ledger = Ledger(server)
    extension = forge.extension(PRIVATE_KEY_USAGE_PERIOD, PERIOD)
    subject = forge.name((forge.CN, "long-lived"))
    with RawClient(server) as client:
        body = forge.request(forge.extensions(extension), subject=subject)
        client.send(post(ENROLL, body, authorization))
        answer = client.answer()
    assert answer.status == 200, answer.text
    (made,) = certificates_of(answer.body)
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == 90
    assert PRIVATE_KEY_USAGE_PERIOD not in {each.oid.dotted_string for each in made.extensions}
    ledger.expect(issued=1)
