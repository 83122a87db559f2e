"""Lists of attributes and extensions given by themselves, not inside a request."""

from __future__ import annotations

import pytest

from certctl.domain.csr import RequestedExtension
from certctl.wire.attributes import decode_attributes
from certctl.wire.der import SEQUENCE, SET, DerError, encode, encode_oid
from certctl.wire.extensions import decode_extended_key_usage, decode_extensions
from tests.unit.wire import forge

OID = encode_oid("1.2.3")


def test_extensions_are_read_in_order():
    der = encode(
        SEQUENCE, forge.extension("1.2.4", b"a", critical=True), forge.extension("1.2.3", b"")
    )
    assert decode_extensions(der) == (
        RequestedExtension(oid="1.2.4", critical=True, value=b"a"),
        RequestedExtension(oid="1.2.3", critical=False, value=b""),
    )


@pytest.mark.parametrize(
    "inside",
    [
        OID,
        OID + b"\x05\x00",
        OID + b"\x30\x00",
        OID + b"\x01\x01\xff",
        OID + b"\x01\x01\xff\x05\x00",
        OID + b"\x01\x01\x01\x04\x00",
        OID + b"\x01\x02\xff\xff\x04\x00",
        OID + b"\x04\x00\x04\x00",
        b"\x04\x00",
        b"\x06\x00\x04\x00",
    ],
)
def test_an_extension_of_another_form_is_refused(inside):
    with pytest.raises(DerError):
        decode_extensions(encode(SEQUENCE, encode(SEQUENCE, inside)))


@pytest.mark.parametrize("decode", [decode_extensions, decode_extended_key_usage])
def test_octets_after_a_list_are_refused(decode):
    good = {
        decode_extensions: encode(SEQUENCE, forge.extension("1.2.3", b"")),
        decode_extended_key_usage: encode(SEQUENCE, OID),
    }[decode]
    assert len(decode(good)) == 1
    with pytest.raises(DerError):
        decode(good + b"\x00")


@pytest.mark.parametrize(
    "inside", [OID, OID + b"\x30\x00", OID + encode(SET, b"\x05\x00") + b"\x05\x00", b"\x31\x00"]
)
def test_an_attribute_of_another_form_is_refused(inside):
    der = encode(SEQUENCE, inside)
    with pytest.raises(DerError):
        decode_attributes(der, 0, len(der))
