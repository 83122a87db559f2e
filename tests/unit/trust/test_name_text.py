"""Names as text: readable where possible, harmless always."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from certctl.trust.name_text import MAX_TEXT, name_text
from certctl.wire.der import SEQUENCE, SET, encode, encode_oid


def der(*attributes: tuple[str, int, bytes]) -> bytes:
    return encode(
        SEQUENCE,
        *(
            encode(SET, encode(SEQUENCE, encode_oid(oid), encode(tag, value)))
            for oid, tag, value in attributes
        ),
    )


CN = "2.5.4.3"


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x30", b"\x31\x00", b"\x30\x02\x31\x05", b"\x30\x02\x0c\x00"],
)
def test_what_is_no_name_is_hex(octets):
    assert name_text(octets) == f"#{octets.hex()}"


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ([], ""),
        ([(CN, 0x0C, b"device")], "CN=device"),
        ([("2.5.4.6", 0x13, b"DE"), (CN, 0x0C, b"a,b")], r"CN=a\,b,C=DE"),
        ([("2.5.4.5", 0x13, b"0815")], "serialNumber=0815"),
        ([("1.2.3.4", 0x0C, b"x")], "1.2.3.4=x"),
        ([(CN, 0x0C, b" a ")], r"CN=\ a\ "),
        ([(CN, 0x0C, b" ")], r"CN=\ "),
        ([(CN, 0x0C, b"#a")], r"CN=\#a"),
        ([(CN, 0x0C, b'"+;<>\\')], r"CN=\"\+\;\<\>\\"),
        ([(CN, 0x0C, b"a\r\n\x1b[31m\x00")], r"CN=a\0D\0A\1B[31m\00"),
        ([(CN, 0x0C, "\u202egnp\u200b".encode())], r"CN=\E2\80\AEgnp\E2\80\8B"),
        ([(CN, 0x0C, "Zoë".encode())], "CN=Zoë"),
        ([(CN, 0x1E, "Zoë".encode("utf-16-be"))], "CN=Zoë"),
        ([(CN, 0x14, "Zoë".encode("latin-1"))], "CN=Zoë"),
        ([(CN, 0x04, b"a")], "CN=#040161"),
    ],
)
def test_text_of_a_name(attributes, text):
    assert name_text(der(*attributes)) == text


@pytest.mark.parametrize(("tag", "octets"), [(0x0C, b"\xff"), (0x13, b"\xc3"), (0x1E, b"\xd8\x00")])
def test_a_string_that_is_not_of_its_type_makes_all_of_it_hex(tag, octets):
    name = der((CN, tag, octets))
    assert name_text(name) == f"#{name.hex()}"


def test_parts_with_several_values_stay_together():
    cn, uid = (
        encode(SEQUENCE, encode_oid(oid), encode(0x0C, value))
        for oid, value in ((CN, b"a"), ("0.9.2342.19200300.100.1.1", b"b"))
    )
    assert name_text(encode(SEQUENCE, encode(SET, cn, uid))) == "CN=a+UID=b"


def test_long_names_are_cut():
    text = name_text(der((CN, 0x0C, b"x" * 5000)))
    assert len(text) == MAX_TEXT
    assert text.endswith("x…")


def test_a_name_that_would_be_cut_off_anyway_is_not_read():
    name = der((CN, 0x0C, b"\x00" * 9000))
    assert name_text(name) == f"#{name.hex()[:1022]}…"


def test_it_agrees_with_the_library_on_ordinary_names():
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Works, "A" & Co'),
            x509.NameAttribute(NameOID.COMMON_NAME, "pump 7"),
        ]
    )
    assert name_text(name.public_bytes()) == name.rfc4514_string()
