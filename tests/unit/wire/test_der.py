"""The DER reader and writer: every lie about a length ends in DerError."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from certctl.wire.der import (
    OCTET_STRING,
    SEQUENCE,
    DerError,
    children,
    decode_oid,
    encode,
    encode_oid,
    encode_set,
    expect,
    read,
)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3001",
        "3080",
        "30800000",
        "3081",
        "308100",
        "30817f" + "00" * 127,
        "308200ff" + "00" * 255,
        "3083010000",
        "3085000000000100",
        "30ff",
        "1f0100",
        "3f8100",
        "0403aabb",
        "0484ffffffff",
    ],
)
def test_what_is_no_der_value_is_refused(octets):
    data = bytes.fromhex(octets)
    with pytest.raises(DerError):
        read(data, 0, len(data))
    with pytest.raises(DerError):
        expect(data, 0, len(data), data[0] if data and data[0] & 0x1F != 0x1F else SEQUENCE)


def test_a_value_may_not_pass_its_enclosing_value():
    data = encode(SEQUENCE, b"\x04\x05ab") + b"cdefgh"
    start, end = expect(data, 0, len(data), SEQUENCE)
    with pytest.raises(DerError):
        children(data, start, end)


def test_more_members_than_anybody_needs_are_refused():
    members = encode(OCTET_STRING) * 257
    assert len(children(members, 0, len(members) - 2)) == 256
    with pytest.raises(DerError, match="more than 256"):
        children(members, 0, len(members))


def test_another_tag_is_refused():
    for data in (encode(OCTET_STRING, b"a"), encode(OCTET_STRING, bytes(300))):
        with pytest.raises(DerError, match="0x04 where 0x30"):
            expect(data, 0, len(data), SEQUENCE)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536, 20_000_000])
def test_every_size_of_length_comes_back(size):
    content = bytes(size)
    data = b"before" + encode(OCTET_STRING, content) + b"after"
    tag, start, stop = read(data, 6, len(data))
    assert (tag, data[start:stop], data[stop:]) == (OCTET_STRING, content, b"after")
    assert expect(data, 6, len(data), OCTET_STRING) == (start, stop)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_members_come_back_in_order(parts):
    data = encode(SEQUENCE, *(encode(OCTET_STRING, part) for part in parts))
    start, end = expect(data, 0, len(data), SEQUENCE)
    found = children(data, start, end)
    assert [data[content:stop] for _, _, content, stop in found] == parts
    assert b"".join(data[offset:stop] for _, offset, _, stop in found) == data[start:end]


@given(st.binary(max_size=60), st.integers(0, 60))
def test_reading_any_octets_stays_inside_them(data, offset):
    try:
        _, start, stop = read(data, offset, len(data))
    except DerError:
        return
    assert offset < start <= stop <= len(data)
    assert expect(data, offset, len(data), data[offset]) == (start, stop)


def test_a_set_stands_in_der_order():
    der = encode_set(0x31, b"\x04\x01b", b"\x04\x01a", b"\x02\x01z")
    assert der.hex() == "310902017a040161040162"


@pytest.mark.parametrize(
    ("dotted", "octets"),
    [
        ("1.2.840.113549", "06062a864886f70d"),
        ("2.5.29.37.0", "0604551d2500"),
        ("2.999.3", "0603883703"),
        ("0.0", "060100"),
        ("1.39", "06014f"),
        ("2.16.840.1.101.3.4.3.17", "0609608648016503040311"),
        ("1.2.127.128.16383.16384", "06092a7f8100ff7f818000"),
    ],
)
def test_object_identifiers_both_ways(dotted, octets):
    assert encode_oid(dotted).hex() == octets
    assert decode_oid(bytes.fromhex(octets)[2:]) == dotted


@given(
    st.one_of(
        st.tuples(st.integers(0, 1), st.integers(0, 39)), st.tuples(st.just(2), st.integers(0, 999))
    ),
    st.lists(st.integers(0, 2**40), max_size=8),
)
@example((1, 2), [0, 127, 128, 2**40])
def test_object_identifiers_come_back(root, arcs):
    dotted = ".".join(map(str, (*root, *arcs)))
    assert decode_oid(encode_oid(dotted)[2:]) == dotted


@pytest.mark.parametrize("dotted", ["", "1", "3.1", "1.40", "1.2.-3", "a.b", "1..2", "1.2."])
def test_text_that_is_no_object_identifier_is_refused(dotted):
    with pytest.raises(DerError):
        encode_oid(dotted)


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x2a\x80", b"\x2a\x80\x01", b"\x2a" + b"\x01" * 64]
)
def test_octets_that_are_no_object_identifier_are_refused(content):
    with pytest.raises(DerError):
        decode_oid(content)
