"""Names from DER: exactly what was written, or a refusal."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import RequestMalformed
from certctl.domain.names import NameAttribute
from certctl.wire.der import SEQUENCE, SET, encode, encode_oid
from certctl.wire.names import MAX_ATTRIBUTES, decode_name
from tests.unit.wire import forge

CN = forge.CN
SERIAL = "2.5.4.5"


def rdn(*members: bytes) -> bytes:
    return encode(SEQUENCE, encode(SET, *members))


def one(tag: int, octets: bytes, oid: str = CN) -> bytes:
    return rdn(encode(SEQUENCE, encode_oid(oid), encode(tag, octets)))


@pytest.mark.parametrize(
    ("tag", "octets", "text"),
    [
        (0x0C, "Gerät".encode(), "Gerät"),
        (0x0C, b"", ""),
        (0x13, b"Printable", "Printable"),
        (0x16, b"a@example", "a@example"),
        (0x12, b"0123", "0123"),
        (0x1A, b"visible", "visible"),
        (0x14, b"Ger\xe4t", "Gerät"),
        (0x1E, "Gerät".encode("utf-16-be"), "Gerät"),
        (0x1C, "Gerät".encode("utf-32-be"), "Gerät"),
        (0x03, b"\x00\xaa", "#030200aa"),
        (0x02, b"\x05", "#020105"),
        (0x30, b"", "#3000"),
        (0x0C, b"x" * 200, "x" * 200),
    ],
)
def test_every_type_of_value_is_kept_with_its_text(tag, octets, text):
    decoded = decode_name(one(tag, octets))
    assert decoded.rdns == ((NameAttribute(oid=CN, tag=tag, text=text),),)


def test_order_and_multi_valued_rdns_are_kept():
    members = sorted((forge.attribute_value(CN, "d"), forge.attribute_value(SERIAL, "7")))
    der = encode(
        SEQUENCE,
        encode(SET, forge.attribute_value("2.5.4.10", "Acme")),
        encode(SET, *members),
    )
    name = decode_name(der)
    assert [[a.oid for a in rdn] for rdn in name.rdns] == [["2.5.4.10"], [CN, SERIAL]]
    assert name.text() == "CN=d+serialNumber=7,O=Acme"


def test_the_empty_name_is_a_name():
    assert decode_name(b"\x30\x00").is_empty


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x31\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x02\x31\x00",
        b"\x30\x00\x00",
        forge.DEVICE + b"\x00",
        forge.DEVICE[:-1],
        forge.nested(10_000),
        rdn(encode(SEQUENCE, encode_oid(CN))),
        rdn(encode(SEQUENCE, encode_oid(CN), b"\x0c\x01a", b"\x0c\x01b")),
        rdn(encode(SEQUENCE, b"\x06\x00", b"\x0c\x01a")),
        rdn(encode(SEQUENCE, b"\x06\x02\x55\x84", b"\x0c\x01a")),
        rdn(encode(SEQUENCE, encode(0x06, b"\x2a" + b"\xff" * 100 + b"\x7f"), b"\x0c\x01a")),
        rdn(encode(SEQUENCE, encode_oid(CN), b"\x1f\x01a")),
        rdn(encode(SET, encode_oid(CN), b"\x0c\x01a")),
        rdn(forge.attribute_value(CN, "d"), forge.attribute_value(CN, "c")),
        rdn(forge.attribute_value(CN, "d"), forge.attribute_value(CN, "d")),
        rdn(forge.attribute_value(CN, "device"), forge.attribute_value(SERIAL, "7")),
        one(0x0C, b"\xff\xfe"),
        # Lengths of more than one octet that look like short ones: 82 30 80 is a length.
        bytes.fromhex("3081843182308006035504030c79") + b"a" * 121,
        one(0x0C, b"\xed\xa0\x80"),
        one(0x13, b"\xe4"),
        one(0x1E, b"\x00"),
        one(0x1E, b"\xd8\x00"),
        one(0x1C, b"\x00\x11\x00\x00"),
        forge.name(*[(CN, "a")] * (MAX_ATTRIBUTES + 1)),
        rdn(*(forge.attribute_value(CN, f"{n:04}") for n in range(MAX_ATTRIBUTES + 1))),
        # No RDN is too long and there are not too many of them, but together they are.
        encode(SEQUENCE, encode(SET, *(forge.attribute_value(CN, c) for c in "abc")) * 86),
    ],
)
def test_what_is_no_name_is_malformed(der):
    with pytest.raises(RequestMalformed) as caught:
        decode_name(der)
    assert caught.value.reason == "not_pkcs10"


def test_a_name_cut_at_each_octet_is_malformed():
    for length in range(len(forge.DEVICE)):
        with pytest.raises(RequestMalformed):
            decode_name(forge.DEVICE[:length])


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([NameOID.PSEUDONYM, NameOID.SURNAME, NameOID.USER_ID]),
                texts,
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda pair: pair[0],
        ),
        max_size=4,
    )
)
def test_names_that_the_library_writes_come_back(rdns):
    written = x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(oid, text, _validate=False) for oid, text in rdn
        )
        for rdn in rdns
    )
    decoded = decode_name(written.public_bytes())
    assert [{(a.oid, a.text) for a in rdn} for rdn in decoded.rdns] == [
        {(oid.dotted_string, text) for oid, text in rdn} for rdn in rdns
    ]


@given(st.data())
def test_spoiled_octets_are_a_name_or_malformed(data):
    spoiled = bytearray(forge.DEVICE)
    for _ in range(data.draw(st.integers(1, 3))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_name(bytes(spoiled)).text()
    except RequestMalformed:
        pass
    else:
        assert spoiled[0] == SEQUENCE
