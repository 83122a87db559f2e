"""GeneralNames (RFC 5280 §4.2.1.6) from DER to values.

Strict, because these bytes are copied into the certificate: every octet is accounted
for. Kinds that no profile can allow are not looked into; they are named, so that
policy refuses them by kind.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from certctl.domain.errors import RequestMalformed
from certctl.domain.san import GeneralName, SanKind
from certctl.wire.der import OBJECT_IDENTIFIER, SEQUENCE, DerError, decode_oid, encode, expect, read

MAX_NAMES = 1_000
"""Bounds the work on a hostile list; profiles allow far fewer."""

_OTHER_NAME = 0xA0
_IP_ADDRESS = 0x87
_UTF8_STRING = 0x0C

_UPN = "1.3.6.1.4.1.311.20.2.3"
_HARDWARE_MODULE = "1.3.6.1.5.5.7.8.4"

_TEXT = {0x81: SanKind.EMAIL, 0x82: SanKind.DNS, 0x86: SanKind.URI}
_OPAQUE = {
    0xA3: SanKind.X400_ADDRESS,
    0xA4: SanKind.DIRECTORY_NAME,
    0xA5: SanKind.EDI_PARTY_NAME,
    0x88: SanKind.REGISTERED_ID,
}


def decode_general_names(der: bytes) -> tuple[GeneralName, ...]:
    """Read the value of a subjectAltName extension, in its order.

    Raises:
        RequestMalformed: ``extension``; not DER, no name at all, text that is not
            ASCII, an address that has not 4 or 16 octets.
    """
    try:
        return _read(der)
    except DerError as err:
        raise RequestMalformed("extension", f"subjectAltName: {err}") from err


def append_general_name(der: bytes, name: GeneralName) -> bytes:
    """GeneralNames (DER) with one more ``dns``, ``ip`` or ``email`` name at its end.

    Raises:
        ValueError: another kind, which nobody adds.
    """
    match name.kind:
        case SanKind.IP:
            added = encode(_IP_ADDRESS, ip_address(name.value).packed)
        case SanKind.DNS | SanKind.EMAIL:
            tag = next(tag for tag, kind in _TEXT.items() if kind is name.kind)
            added = encode(tag, name.value.encode("ascii"))
        case _:
            raise ValueError(f"{name.kind.value} names are not added")
    if not der:
        return encode(SEQUENCE, added)
    start, end = expect(der, 0, len(der), SEQUENCE)
    return encode(SEQUENCE, der[start:end], added)


def _read(der: bytes) -> tuple[GeneralName, ...]:
    offset, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the names")
    if offset == end:
        raise DerError("no name in it")
    names: list[GeneralName] = []
    while offset < end:
        tag, start, stop = read(der, offset, end)
        names.append(_read_one(der, tag, start, stop))
        if len(names) > MAX_NAMES:
            raise DerError(f"more than {MAX_NAMES} names")
        offset = stop
    return tuple(names)


def _read_one(der: bytes, tag: int, start: int, stop: int) -> GeneralName:
    kind = _TEXT.get(tag)
    if kind is not None:
        return GeneralName(kind=kind, value=_ascii(kind, der[start:stop]))
    if tag == _IP_ADDRESS:
        return GeneralName(kind=SanKind.IP, value=_address(der[start:stop]))
    if tag == _OTHER_NAME:
        return _read_other(der, start, stop)
    kind = _OPAQUE.get(tag)
    if kind is None:
        raise DerError(f"tag {tag:#04x} is no GeneralName")
    return GeneralName(kind=kind, value="#" + der[start:stop].hex())


def _read_other(der: bytes, start: int, stop: int) -> GeneralName:
    """OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY }, implicitly tagged."""
    oid, oid_end = expect(der, start, stop, OBJECT_IDENTIFIER)
    value, value_end = expect(der, oid_end, stop, 0xA0)
    tag, text, text_end = read(der, value, value_end)
    if value_end != stop or text_end != value_end:
        raise DerError("octets after an otherName")
    type_id = decode_oid(der[oid:oid_end])
    if type_id == _UPN:
        if tag != _UTF8_STRING:
            raise DerError("UPN is not a UTF8String")
        try:
            return GeneralName(kind=SanKind.UPN, value=der[text:text_end].decode("utf-8"))
        except UnicodeDecodeError as err:
            raise DerError("UPN is not UTF-8") from err
    if type_id == _HARDWARE_MODULE:
        return GeneralName(kind=SanKind.HARDWARE_MODULE, value="#" + der[value:value_end].hex())
    return GeneralName(kind=SanKind.OTHER_NAME, value=f"{type_id};#{der[value:value_end].hex()}")


def _ascii(kind: SanKind, octets: bytes) -> str:
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError as err:
        raise DerError(f"{kind.value} is not ASCII") from err


def _address(octets: bytes) -> str:
    if len(octets) == 4:
        return str(IPv4Address(octets))
    if len(octets) == 16:
        return str(IPv6Address(octets))
    raise DerError(f"address of {len(octets)} octets")
