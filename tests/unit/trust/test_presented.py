"""Certificates that lie about their form: each one refused, none of them a crash."""

from __future__ import annotations

import pytest
from cryptography import x509

from certctl.domain.errors import CertificateRefused
from certctl.trust.presented import read_presented
from certctl.wire.der import (
    BIT_STRING,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    children,
    encode,
    encode_oid,
    expect,
)
from tests.unit.trust.pki import make

WHOLE = make("device", ca=False, serial=0x1234)
BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"


def extension(oid, value, flag=b""):
    return encode(SEQUENCE, encode_oid(oid), flag, encode(OCTET_STRING, value))


def rebuilt(extensions=None, *, raw=None, serial=b"\x12\x34", more=()):
    """WHOLE with parts replaced; its signature no longer matters here."""
    tbs = WHOLE.certificate.tbs_certificate_bytes
    fields = [
        tbs[offset:end] for _, offset, _, end in children(tbs, *expect(tbs, 0, len(tbs), SEQUENCE))
    ]
    if extensions is not None:
        raw = encode(SEQUENCE, *extensions)
    if raw is not None:
        fields[7] = encode(0xA3, raw)
    fields[1] = encode(INTEGER, serial)
    tail = encode(SEQUENCE, encode_oid("1.2.840.10045.4.3.2")) + encode(BIT_STRING, b"\x00sig")
    return encode(SEQUENCE, encode(SEQUENCE, *fields, *more), tail)


def test_the_rebuilt_certificate_is_read_at_all():
    assert read_presented(rebuilt()).serial == "1234"


OTHER = extension("1.2.3.4", b"\x05\x00")
NO_CA = extension(BASIC_CONSTRAINTS, b"\x30\x00")


@pytest.mark.parametrize(
    "der",
    [
        rebuilt(serial=b"\x00"),
        rebuilt(serial=b"\xff\x34"),
        rebuilt(serial=b"\x01" * 65),
        rebuilt([OTHER, OTHER]),
        rebuilt([NO_CA, NO_CA]),
        rebuilt([extension(f"1.2.3.{number}", b"\x05\x00") for number in range(65)]),
        rebuilt(raw=b"\x31\x00"),
        rebuilt([b"\x31\x00"]),
        rebuilt([encode(SEQUENCE, encode_oid("1.2.3"))]),
        rebuilt([encode(SEQUENCE, encode_oid("1.2.3"), b"\x02\x01\x00")]),
        rebuilt([encode(SEQUENCE, encode_oid("1.2.3"), b"\x04\x00", b"\x05\x00")]),
        rebuilt([extension(BASIC_CONSTRAINTS, b"")]),
        rebuilt([extension(BASIC_CONSTRAINTS, b"\x30\x00\x00")]),
        rebuilt([extension(BASIC_CONSTRAINTS, b"\x30\x03\x01\x02\xff")]),
        rebuilt([extension(KEY_USAGE, b"\x04\x02\x00\x80")]),
        rebuilt([extension(KEY_USAGE, b"\x03\x02\x07")]),
        rebuilt([extension(EXTENDED_USAGE, b"\x30\x03\x02\x01\x01")]),
        rebuilt([extension(EXTENDED_USAGE, encode(SEQUENCE, *[encode_oid("1.2.3")] * 65))]),
        rebuilt([extension(EXTENDED_USAGE, encode(SEQUENCE, b"\x06\x02\x80\x01"))]),
        rebuilt(more=[b"\x05\x00"]),
        b"\x30\x80" + rebuilt()[4:] + b"\x00\x00",
    ],
    ids=[
        *("serial-0", "serial-negative", "serial-long", "twice", "basic-twice", "65-extensions"),
        *("extensions-set", "extension-set", "no-value", "value-integer", "value-and-more"),
        *("basic-empty", "basic-more", "basic-cut", "usage-octets", "usage-cut"),
        *("eku-integer", "eku-65", "eku-bad-oid", "more-fields", "indefinite"),
    ],
)
def test_lies_about_form_are_untrusted(der):
    with pytest.raises(CertificateRefused) as caught:
        read_presented(der)
    assert caught.value.reason == "untrusted"


@pytest.mark.parametrize(
    ("value", "is_ca"),
    [
        (b"\x30\x00", False),
        (b"\x30\x03\x01\x01\x00", False),
        (b"\x30\x03\x01\x01\xff", True),
        (b"\x30\x06\x01\x01\xff\x02\x01\x00", True),
        (b"\x30\x03\x01\x01\x01", True),  # BER's true: better a CA too many than one unseen
        (b"\x30\x03\x02\x01\x00", False),
    ],
)
def test_ca_flag(value, is_ca):
    assert read_presented(rebuilt([extension(BASIC_CONSTRAINTS, value)])).is_ca is is_ca


@pytest.mark.parametrize(
    ("value", "usage"),
    [(b"\x03\x01\x00", 0), (b"\x03\x02\x07\x80", 0x80), (b"\x03\x02\x02\x04", 4)],
)
def test_key_usage(value, usage):
    critical = b"\x01\x01\xff"
    assert read_presented(rebuilt([extension(KEY_USAGE, value, critical)])).key_usage == usage


def test_extended_key_usage_and_what_is_absent():
    value = encode(SEQUENCE, encode_oid("1.3.6.1.5.5.7.3.2"), encode_oid("2.5.29.37.0"))
    presented = read_presented(rebuilt([extension(EXTENDED_USAGE, value)]))
    assert presented.ekus == ("1.3.6.1.5.5.7.3.2", "2.5.29.37.0")
    assert (presented.key_usage, presented.is_ca, presented.san_der) == (None, False, b"")


def test_an_empty_list_of_usages_allows_nothing():
    presented = read_presented(rebuilt([extension(EXTENDED_USAGE, b"\x30\x00")]))
    with pytest.raises(CertificateRefused) as caught:
        presented.check_client_usage()
    assert caught.value.reason == "wrong_usage"


def test_names_are_those_of_the_certificate():
    presented = read_presented(WHOLE.der)
    assert presented.subject_der == WHOLE.certificate.subject.public_bytes()
    assert presented.issuer_der == WHOLE.certificate.issuer.public_bytes()
    assert isinstance(presented.parsed, x509.Certificate)
