"""What is not one PKCS#10 request is refused as such, quickly, and never otherwise."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certctl.domain.errors import PolicyViolation, RequestMalformed
from certctl.wire.attributes import MAX_ATTRIBUTES
from certctl.wire.der import BOOLEAN, OCTET_STRING, SEQUENCE, SET, encode, encode_oid
from certctl.wire.extensions import MAX_EXTENSIONS
from certctl.wire.pkcs10 import decode_pkcs10
from tests.unit.wire import forge

GOOD = forge.request(
    forge.attribute(forge.CHALLENGE, encode(0x0C, b"typed by hand")),
    forge.extensions(forge.sans(forge.dns("device-1.example")), forge.eku(forge.CLIENT_AUTH)),
)
SAN = forge.sans(forge.dns("a.example"))
TEXT = encode(0x0C, b"text")

# An INTEGER 2 + 64 KiB long, and OIDs of one giant arc and of 4,000 arcs.
GIANT_INTEGER = encode(0x02, b"\x7f" * 65_000)
GIANT_ARC = encode(0x06, b"\x2a" + b"\xff" * 60_000 + b"\x7f")
MANY_ARCS = encode(0x06, b"\x2a" + b"\x03" * 4_000)


def refused(der: bytes) -> RequestMalformed:
    with pytest.raises(RequestMalformed) as caught:
        decode_pkcs10(der)
    return caught.value


def test_the_whole_request_is_good():
    assert decode_pkcs10(GOOD).der == GOOD


def test_a_request_cut_at_each_octet_is_malformed():
    for length in range(len(GOOD)):
        assert refused(GOOD[:length]).reason in {"empty", "not_pkcs10"}, length


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"hello", "not_pkcs10", id="garbage"),
        pytest.param(b"\x30\x00", "not_pkcs10", id="empty sequence"),
        pytest.param(b"\x00" * 1000, "not_pkcs10", id="zeros"),
        pytest.param(b"\x30\xff" + b"\xff" * 200, "not_pkcs10", id="length of 127 octets"),
        pytest.param(GOOD + b"\n", "trailing_bytes", id="newline after DER"),
        pytest.param(GOOD + GOOD, "trailing_bytes", id="two requests"),
        pytest.param(b"\x30\x80" + GOOD[4:] + b"\x00\x00", "ber", id="indefinite length"),
        pytest.param(b"\x30\x83\x00" + GOOD[2:], "not_pkcs10", id="length with a leading zero"),
        pytest.param(
            forge.sealed(b"\x30\x80" + forge.info()[4:] + b"\x00\x00"), "ber", id="inner indefinite"
        ),
        pytest.param(
            forge.sealed(forge.info([forge.extensions(SAN), forge.attribute("1.2.3", TEXT)])),
            "ber",
            id="attributes out of order",
        ),
        pytest.param(
            forge.request(
                subject=encode(
                    SEQUENCE,
                    encode(
                        SET,
                        forge.attribute_value(forge.CN, "device-1"),
                        forge.attribute_value("2.5.4.5", "7"),
                    ),
                )
            ),
            "ber",
            id="RDN out of order",
        ),
        pytest.param(forge.request(version=b"\x02\x01\x01"), "not_pkcs10", id="version 1"),
        pytest.param(forge.request(version=GIANT_INTEGER), "not_pkcs10", id="giant version"),
        pytest.param(forge.request(version=b"\x02\x00"), "not_pkcs10", id="integer of no octets"),
        pytest.param(forge.request(spki=b"\x30\x00"), "not_pkcs10", id="empty key"),
        pytest.param(forge.request(subject=b""), "not_pkcs10", id="no subject"),
        pytest.param(forge.nested(10_000), "not_pkcs10", id="nested 10,000 deep"),
        pytest.param(forge.request(subject=forge.nested(10_000)), "not_pkcs10", id="deep subject"),
        pytest.param(forge.request(spki=forge.nested(10_000)), "not_pkcs10", id="deep key"),
        pytest.param(
            encode(SEQUENCE, forge.info(), forge.ECDSA_SHA256, b"\x03\x02\x01\x80"),
            "not_pkcs10",
            id="signature of seven bits",
        ),
        pytest.param(
            forge.sealed(encode(SEQUENCE, b"\x02\x01\x00", forge.DEVICE, forge.SPKI)),
            "not_pkcs10",
            id="no attributes field",
        ),
    ],
)
def test_what_is_no_request_is_refused(der, reason):
    assert refused(der).reason == reason


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        pytest.param([forge.extensions(SAN)] * 2, "attribute", id="two extensionRequests"),
        pytest.param(
            [forge.extensions(SAN), forge.extensions(SAN, oid=forge.MICROSOFT)],
            "attribute",
            id="ours and Microsoft's extensions",
        ),
        pytest.param(
            [forge.attribute(forge.EXTENSION_REQUEST, *[encode(SEQUENCE, SAN)] * 2)],
            "attribute",
            id="extensionRequest of two values",
        ),
        pytest.param([forge.attribute(forge.EXTENSION_REQUEST)], "attribute", id="of no value"),
        pytest.param([forge.attribute(forge.CHALLENGE)], "attribute", id="challenge of no value"),
        pytest.param(
            [forge.attribute(forge.CHALLENGE, TEXT, TEXT)], "attribute", id="two challenges"
        ),
        pytest.param(
            [forge.attribute(forge.CHALLENGE, TEXT)] * 2, "attribute", id="challenge twice"
        ),
        pytest.param([forge.attribute(forge.LINKING, TEXT, TEXT)], "attribute", id="two linkings"),
        pytest.param(
            [forge.attribute(forge.CHALLENGE, b"\x02\x01\x05")], "attribute", id="a number"
        ),
        pytest.param(
            [forge.attribute(forge.CHALLENGE, b"\x0c\x01\xff")], "attribute", id="not UTF-8"
        ),
        pytest.param([forge.attribute("1.2.3.4")], "attribute", id="unknown attribute of no value"),
        pytest.param(
            [forge.attribute("1.2.3.4", TEXT)] * (MAX_ATTRIBUTES + 1), "attribute", id="a crowd"
        ),
        pytest.param(
            [forge.attribute("1.2.3.4", *[TEXT] * 65)], "attribute", id="a crowd of values"
        ),
        pytest.param([forge.extensions()], "extension", id="empty Extensions"),
        pytest.param([forge.extensions(SAN, SAN)], "extension", id="doubled extension"),
        pytest.param(
            [forge.extensions(*(forge.extension(f"1.2.3.{n}", b"") for n in range(65)))],
            "extension",
            id="too many extensions",
        ),
        pytest.param([forge.extensions(forge.eku())], "extension", id="empty EKU"),
        pytest.param(
            [forge.extensions(forge.eku(*[forge.CLIENT_AUTH] * 65))], "extension", id="65 EKUs"
        ),
        pytest.param(
            [forge.attribute(forge.EXTENSION_REQUEST, b"\x04\x00")], "extension", id="no sequence"
        ),
        pytest.param(
            [forge.attribute(forge.EXTENSION_REQUEST, forge.nested(10_000))],
            "extension",
            id="deep extensions",
        ),
        pytest.param(
            [forge.extensions(encode(SEQUENCE, encode_oid("1.2.3")))],
            "extension",
            id="extension without value",
        ),
        pytest.param(
            [
                forge.extensions(
                    encode(
                        SEQUENCE,
                        encode_oid("1.2.3"),
                        encode(BOOLEAN, b"\x00"),
                        encode(OCTET_STRING),
                    )
                )
            ],
            "extension",
            id="critical FALSE written out",
        ),
        pytest.param(
            [forge.extensions(encode(SEQUENCE, GIANT_ARC, encode(OCTET_STRING)))],
            "extension",
            id="giant arc",
        ),
        pytest.param(
            [encode(SEQUENCE, GIANT_ARC, encode(SET, TEXT))], "not_pkcs10", id="giant arc outside"
        ),
        pytest.param(
            [encode(SEQUENCE, MANY_ARCS, encode(SET, TEXT))], "not_pkcs10", id="many arcs"
        ),
        pytest.param([encode(SEQUENCE)], "not_pkcs10", id="empty attribute"),
    ],
)
def test_attributes_that_can_be_read_in_two_ways_are_refused(attributes, reason):
    assert refused(forge.request(*attributes)).reason == reason


@pytest.mark.parametrize(
    ("oid", "value"),
    [
        ("2.5.29.37", b"\x30\x00"),
        ("2.5.29.37", b"\x04\x00"),
        ("2.5.29.37", b"\x30\x02\x02\x00"),
        ("2.5.29.37", forge.nested(5_000)),
        ("2.5.29.37", b"\x30\x03\x06\x01\x2a\x00"),
        ("2.5.29.15", b""),
        ("2.5.29.15", b"\x03\x01\x00"),
        ("2.5.29.15", b"\x03\x02\x08\x80"),
        ("2.5.29.15", b"\x03\x02\x07\xff"),
        ("2.5.29.15", b"\x03\x03\x00\x80\x40"),
        ("2.5.29.15", b"\x03\x04\x00\x80\x80\x80"),
        ("2.5.29.19", b"\x30\x03\x01\x01\x00"),
        ("2.5.29.19", b"\x30\x03\x01\x01\x01"),
        ("2.5.29.19", b"\x30\x03\x04\x01\x00"),
        ("2.5.29.19", b"\x30\x00\x00"),
        ("2.5.29.19", b"\x30\x06\x02\x01\x00\x02\x01\x00"),
    ],
)
def test_extensions_we_look_into_must_be_der(oid, value):
    fault = refused(forge.request(forge.extensions(forge.extension(oid, value))))
    assert fault.reason == "extension"
    assert fault.note


def test_bounds_are_met_exactly():
    many = [forge.extension(f"1.2.3.{n}", b"") for n in range(MAX_EXTENSIONS)]
    assert len(decode_pkcs10(forge.request(forge.extensions(*many))).extensions) == 64
    crowd = [forge.attribute("1.2.3.4", TEXT)] * MAX_ATTRIBUTES
    assert len(decode_pkcs10(forge.request(*crowd)).attributes) == 64
    values = forge.attribute("1.2.3.4", *[TEXT] * 64)
    assert len(decode_pkcs10(forge.request(values)).attributes[0].values) == 64


def test_depth_inside_an_attribute_nobody_asks_about_is_left_alone():
    deep = forge.nested(10_000)
    csr = decode_pkcs10(forge.request(forge.attribute("1.2.3.4", deep)))
    assert csr.attributes[0].values == (deep,)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_spoiled_octets_are_a_request_or_a_failure_of_ours(changes):
    spoiled = bytearray(GOOD)
    for place, octet in changes:
        spoiled[place] = octet
    try:
        csr = decode_pkcs10(bytes(spoiled))
    except (RequestMalformed, PolicyViolation):
        return
    assert csr.der == bytes(spoiled)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_inserted_and_removed_octets_never_end_otherwise(inserted, place, removed):
    spoiled = GOOD[:place] + inserted + GOOD[place + removed :]
    with suppress(RequestMalformed, PolicyViolation):
        assert decode_pkcs10(spoiled).der == spoiled
