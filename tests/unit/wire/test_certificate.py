"""Octets of a certificate against the library's reading, and by hand where it matters."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.wire.certificate import (
    EMPTY_NAME,
    CertificateTemplate,
    encode_serial,
    extension,
    key_identifier,
)
from certctl.wire.der import DerError
from certctl.wire.times import encode_time

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
SPKI = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
TEMPLATE = CertificateTemplate.of_issuer(
    algorithm_der=ECDSA_SHA256,
    issuer_der=x509.Name([]).public_bytes(),
    key_identifier=b"k" * 20,
)


def tbs(**changes: Any):
    settings: dict[str, Any] = {
        "serial": b"\x40" + b"\x01" * 19,
        "not_before": 0,
        "not_after": 60,
        "subject_der": EMPTY_NAME,
        "spki_der": SPKI,
        "san_der": b"",
        "key_agreement": False,
        "ekus": (),
    }
    return TEMPLATE.to_be_signed(**(settings | changes))


@pytest.mark.parametrize(
    "spki",
    [
        b"",
        b"\x30\x00",
        SPKI[:-1],
        SPKI + b"\x00",
        b"\x30\x5b" + SPKI[2:] + b"\x05\x00",
        SPKI.replace(b"\x03\x42\x00\x04", b"\x03\x42\x07\x04"),
        SPKI.replace(b"\x03\x42\x00\x04", b"\x04\x42\x00\x04"),
        bytes.fromhex("300a3006 0604 2a030405 0300".replace(" ", "")),
    ],
    ids=[
        "nothing",
        "empty",
        "cut",
        "more",
        "more-inside",
        "unused-bits",
        "octet-string",
        "no-bits",
    ],
)
def test_what_is_no_public_key_is_refused(spki):
    with pytest.raises(DerError):
        tbs(spki_der=spki)
    with pytest.raises(DerError):
        key_identifier(spki)


def test_an_eku_that_is_no_oid_is_refused():
    with pytest.raises(DerError):
        tbs(ekus=("clientAuth",))


def test_no_eku_leaves_the_extension_out():
    certificate = x509.load_der_x509_certificate(TEMPLATE.seal(tbs(), b"signature"))
    oids = [each.oid.dotted_string for each in certificate.extensions]
    assert oids == ["2.5.29.19", "2.5.29.15", "2.5.29.14", "2.5.29.35"]
    assert certificate.signature == b"signature"
    assert certificate.version is x509.Version.v3


def test_key_identifier_is_rfc_7093_method_1():
    assert key_identifier(SPKI) == hashlib.sha256(SPKI[-65:]).digest()[:20]


@pytest.mark.parametrize(
    ("moment", "octets"),
    [
        (datetime(1949, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x18\x0f19491231235959Z"),
        (datetime(1950, 1, 1, tzinfo=UTC), b"\x17\x0d500101000000Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), b"\x17\x0d700101000000Z"),
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x17\x0d491231235959Z"),
        (datetime(2050, 1, 1, tzinfo=UTC), b"\x18\x0f20500101000000Z"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), b"\x18\x0f99991231235959Z"),
    ],
)
def test_times_change_their_form_with_the_year_2050(moment, octets):
    assert encode_time(int(moment.timestamp())) == octets


@pytest.mark.parametrize("seconds", [0, 1_790_000_000, 2**32 - 1, 2**40])
@pytest.mark.parametrize("chance", [b"\x00" * 16, b"\xff" * 16])
def test_a_serial_is_positive_and_has_twenty_octets_whatever_time_and_chance(seconds, chance):
    serial = encode_serial(seconds, chance)
    number = int.from_bytes(serial, "big", signed=True)
    assert number > 0
    assert number.bit_length() == 159
    assert serial[4:] == chance


def test_serials_rise_with_time():
    assert encode_serial(1_790_000_000, b"\xff" * 16) < encode_serial(1_790_000_004, b"\x00" * 16)


@pytest.mark.parametrize("count", [0, 15, 17, 20])
def test_a_serial_takes_exactly_sixteen_octets_of_chance(count):
    with pytest.raises(ValueError, match="16"):
        encode_serial(0, b"x" * count)


def test_an_extension_leaves_out_the_default_false():
    assert extension("2.5.29.14", b"\x04\x00") == bytes.fromhex("30090603551d0e04020400")
    assert extension("2.5.29.14", b"\x04\x00", critical=True) == bytes.fromhex(
        "300c0603551d0e0101ff04020400"
    )
