"""A Name (X.501, RFC 5280 §4.1.2.4) from DER to ``DistinguishedName``.

Strict: what passes here may be copied byte for byte into a certificate, also when it
came from a worker that lies. So every octet is accounted for and a SET stands in DER
order. It judges no character; ``domain.names.check_name`` does.
"""

from __future__ import annotations

from certctl.domain.errors import RequestMalformed
from certctl.domain.names import DistinguishedName, NameAttribute, RelativeName
from certctl.wire.der import OBJECT_IDENTIFIER, SEQUENCE, SET, DerError, decode_oid, expect, read

MAX_ATTRIBUTES = 256
"""Of one name, in all its RDNs. Far above what policy allows; keeps the cost of a hostile
name at two milliseconds."""

# The codecs of X.680 string types. NumericString and VisibleString are ASCII;
# TeletexString has been Latin-1 in practice.
_CODECS = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


def decode_name(der: bytes) -> DistinguishedName:
    """Read one Name.

    Raises:
        RequestMalformed: ``not_pkcs10``; not DER, an empty RDN, a string that is not
            of its type, octets after the name.
    """
    try:
        return DistinguishedName(rdns=_read_rdns(der))
    except DerError as err:
        raise RequestMalformed("not_pkcs10", f"name: {err}") from err


def decode_string(tag: int, octets: bytes) -> str | None:
    """The text of an ASN.1 string; None where ``tag`` is no string type.

    Raises:
        DerError: the octets are no text of that type.
    """
    codec = _CODECS.get(tag)
    if codec is None:
        return None
    try:
        return octets.decode(codec)
    except UnicodeDecodeError as err:
        raise DerError(f"string of tag {tag:#04x} is not {codec}") from err


def _read_rdns(der: bytes) -> tuple[RelativeName, ...]:
    offset, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the name")
    rdns: list[RelativeName] = []
    room = MAX_ATTRIBUTES
    while offset < end:
        if room < 1:
            raise DerError("too many attributes")
        room -= 1
        short, rdn_end = _read_short_rdn(der, offset, end)
        if short is not None:
            rdns.append((short,))
            offset = rdn_end
            continue
        member, rdn_end = expect(der, offset, end, SET)
        if member == rdn_end:
            raise DerError("empty RDN")
        attribute, member_end = _read_attribute(der, member, rdn_end)
        if member_end == rdn_end:
            rdns.append((attribute,))
        else:
            more = _read_more(der, member, member_end, rdn_end, most=room)
            rdns.append((attribute, *more))
            room -= len(more)
        offset = rdn_end
    return tuple(rdns)


def _read_short_rdn(der: bytes, offset: int, end: int) -> tuple[NameAttribute | None, int]:
    """The shape of nearly every RDN: one string attribute, all lengths in one octet.

    Read in one look instead of four. Whatever is not exactly that shape gives None and
    goes the long way, which also finds the words for what is wrong.
    """
    stop = offset + 2 + der[offset + 1] if offset + 10 < end else end + 1
    if stop > end or der[offset] != SET or der[offset + 1] > 127:
        return None, offset
    if der[offset + 2] != SEQUENCE or der[offset + 3] + 2 != der[offset + 1]:
        return None, offset
    oid_end = offset + 6 + der[offset + 5]
    if der[offset + 4] != OBJECT_IDENTIFIER or oid_end + 2 > stop:
        return None, offset
    if oid_end + 2 + der[oid_end + 1] != stop:
        return None, offset
    tag = der[oid_end]
    text = decode_string(tag, der[oid_end + 2 : stop])
    if text is None:
        return None, offset
    return NameAttribute(oid=decode_oid(der[offset + 6 : oid_end]), tag=tag, text=text), stop


def _read_more(
    der: bytes, previous: int, member: int, rdn_end: int, *, most: int
) -> list[NameAttribute]:
    """The further members of a multi-valued RDN, which DER keeps in ascending order."""
    found: list[NameAttribute] = []
    while member < rdn_end:
        attribute, member_end = _read_attribute(der, member, rdn_end)
        if der[previous:member] >= der[member:member_end]:
            raise DerError("RDN not in DER order")
        if len(found) == most:
            raise DerError("too many attributes")
        found.append(attribute)
        previous, member = member, member_end
    return found


def _read_attribute(der: bytes, offset: int, end: int) -> tuple[NameAttribute, int]:
    start, stop = expect(der, offset, end, SEQUENCE)
    oid, oid_end = expect(der, start, stop, OBJECT_IDENTIFIER)
    tag, value, value_end = read(der, oid_end, stop)
    if value_end != stop:
        raise DerError("octets after an attribute's value")
    text = decode_string(tag, der[value:value_end])
    if text is None:
        text = "#" + der[oid_end:value_end].hex()
    return NameAttribute(oid=decode_oid(der[oid:oid_end]), tag=tag, text=text), stop
