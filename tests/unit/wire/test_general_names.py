"""subjectAltName from DER: every kind by its name, every octet accounted for."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certctl.domain.errors import RequestMalformed
from certctl.domain.san import GeneralName, SanKind
from certctl.wire.der import SEQUENCE, encode, encode_oid
from certctl.wire.general_names import MAX_NAMES, decode_general_names
from tests.unit.wire import forge

UPN = "1.3.6.1.4.1.311.20.2.3"


def names(*parts: bytes) -> bytes:
    return encode(SEQUENCE, *parts)


def other(oid: str, value: bytes) -> bytes:
    return encode(0xA0, encode_oid(oid), encode(0xA0, value))


@pytest.mark.parametrize(
    ("part", "kind", "value"),
    [
        (b"\x82\x01a", "dns", "a"),
        (b"\x81\x03a@b", "email", "a@b"),
        (b"\x86\x05urn:a", "uri", "urn:a"),
        (b"\x87\x04\xc0\x00\x02\x07", "ip", "192.0.2.7"),
        (encode(0x87, bytes.fromhex("20010db8" + "00" * 11 + "01")), "ip", "2001:db8::1"),
        (other(UPN, encode(0x0C, "gerät@realm".encode())), "upn", "gerät@realm"),
        (other("1.3.6.1.5.5.7.8.4", b"\x30\x00"), "hardwareModuleName", "#3000"),
        (other("1.3.6.1.5.5.7.8.9", b"\x0c\x01a"), "otherName", "1.3.6.1.5.5.7.8.9;#0c0161"),
        (encode(0xA4, forge.DEVICE), "directoryName", "#" + forge.DEVICE.hex()),
        (encode(0xA3, b"\x30\x00"), "x400Address", "#3000"),
        (encode(0xA5, b"\x30\x00"), "ediPartyName", "#3000"),
        (b"\x88\x02\x2a\x03", "registeredID", "#2a03"),
    ],
)
def test_each_kind_is_itself(part, kind, value):
    assert decode_general_names(names(part)) == (GeneralName(kind=SanKind(kind), value=value),)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x00",
        b"\x31\x03\x82\x01a",
        names(b"\x82\x01a") + b"\x00",
        names(b"\x82\x01a")[:-1],
        names(b"\x82\x02a"),
        names(b"\x82\x80a\x00\x00"),
        names(b"\x82\x01\xe4"),
        names(b"\x81\x01\x80"),
        names(b"\x86\x01\xff"),
        names(b"\x87\x00"),
        names(b"\x87\x03abc"),
        names(encode(0x87, bytes(8))),
        names(encode(0x87, bytes(32))),
        names(b"\x89\x01a"),
        names(b"\x02\x01a"),
        names(b"\xa2\x01a"),
        names(encode(0xA0)),
        names(encode(0xA0, encode_oid(UPN))),
        names(encode(0xA0, encode_oid(UPN), encode(0xA0))),
        names(other(UPN, b"\x0c\x01a\x00\x00")),
        names(encode(0xA0, encode_oid(UPN), encode(0xA0, b"\x0c\x01a"), b"\x05\x00")),
        names(other(UPN, b"\x16\x01a")),
        names(other(UPN, b"\x0c\x01\xff")),
        names(other("1.3.6.1.5.5.7.8.4", b"\x30\x05")),
        names(*[b"\x82\x01a"] * (MAX_NAMES + 1)),
        forge.nested(10_000),
    ],
)
def test_what_is_no_list_of_names_is_malformed(der):
    with pytest.raises(RequestMalformed) as caught:
        decode_general_names(der)
    assert caught.value.reason == "extension"
    assert caught.value.note.startswith("subjectAltName: ")


ascii_text = st.text(st.characters(max_codepoint=127), max_size=30)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("dns"), ascii_text),
            st.tuples(st.just("email"), ascii_text),
            st.tuples(st.just("uri"), ascii_text),
            st.tuples(st.just("ip"), st.ip_addresses()),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_names_that_the_library_writes_come_back_in_order(wanted):
    makers: dict[str, Callable[[Any], x509.GeneralName]] = {
        "dns": x509.DNSName._init_without_validation,
        "email": x509.RFC822Name._init_without_validation,
        "uri": x509.UniformResourceIdentifier._init_without_validation,
        "ip": x509.IPAddress,
    }
    der = x509.SubjectAlternativeName([makers[kind](v) for kind, v in wanted]).public_bytes()
    found = decode_general_names(der)
    assert [(name.kind, name.value) for name in found] == [
        (kind, str(value)) for kind, value in wanted
    ]


def test_addresses_are_read_as_the_standard_library_writes_them():
    address = ipaddress.ip_address("::ffff:192.0.2.1")
    (found,) = decode_general_names(names(encode(0x87, address.packed)))
    assert ipaddress.ip_address(found.value) == address
