"""The extensions a request asks for (RFC 2985 §5.4.2, RFC 5280 §4.2), from DER.

Only those that a rule needs are looked into: extendedKeyUsage, keyUsage and
basicConstraints. The others stay octets and are judged by their OID.
"""

from __future__ import annotations

from certctl.domain.csr import KeyUsage, RequestedExtension
from certctl.wire.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    children,
    decode_oid,
    expect,
    read,
)

KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
EXTENDED_KEY_USAGE = "2.5.29.37"

MAX_EXTENSIONS = 64
"""No request needs more; bounds the work on a hostile one."""

MAX_EKUS = 64

_KEY_USAGE_BITS = tuple(KeyUsage)


def decode_extensions(der: bytes) -> tuple[RequestedExtension, ...]:
    """Read Extensions: SEQUENCE SIZE (1..MAX) OF Extension, each type at most once.

    Raises:
        DerError: not DER, empty, or a doubled extension.
    """
    offset, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the extensions")
    found: list[RequestedExtension] = []
    while offset < end:
        start, stop = expect(der, offset, end, SEQUENCE)
        found.append(_read_extension(der, start, stop))
        if len(found) > MAX_EXTENSIONS:
            raise DerError(f"more than {MAX_EXTENSIONS} extensions")
        offset = stop
    if not found:
        raise DerError("empty list of extensions")
    if len({extension.oid for extension in found}) != len(found):
        raise DerError("the same extension twice")
    return tuple(found)


def decode_extended_key_usage(der: bytes) -> tuple[str, ...]:
    """Dotted OIDs of ExtKeyUsageSyntax, RFC 5280 §4.2.1.12: at least one.

    Raises:
        DerError: not DER, empty, or no list of OIDs.
    """
    start, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the purposes")
    purposes: list[str] = []
    while start < end:
        oid, stop = expect(der, start, end, OBJECT_IDENTIFIER)
        purposes.append(decode_oid(der[oid:stop]))
        if len(purposes) > MAX_EKUS:
            raise DerError(f"more than {MAX_EKUS} purposes")
        start = stop
    if not purposes:
        raise DerError("no purpose in it")
    return tuple(purposes)


def decode_key_usage(der: bytes) -> frozenset[KeyUsage]:
    """The named bits of KeyUsage, RFC 5280 §4.2.1.3; bits beyond them are refused.

    Raises:
        DerError: no BIT STRING of one to nine named bits.
    """
    start, end = expect(der, 0, len(der), BIT_STRING)
    octets = der[start + 1 : end]
    if end != len(der) or not 1 <= len(octets) <= 2 or der[start] > 7:
        raise DerError("no list of named bits")
    if octets[-1] & ((1 << der[start]) - 1):
        raise DerError("unused bits are set")
    bits = int.from_bytes(octets.ljust(2, b"\x00"), "big")
    if bits & 0x7F:
        raise DerError("a bit that has no name")
    return frozenset(
        usage for place, usage in enumerate(_KEY_USAGE_BITS) if bits >> (15 - place) & 1
    )


def decode_basic_constraints(der: bytes) -> bool:
    """Whether BasicConstraints, RFC 5280 §4.2.1.9, asks for any of a CA's powers.

    Raises:
        DerError: not of that form.
    """
    start, end = expect(der, 0, len(der), SEQUENCE)
    if end != len(der):
        raise DerError("octets after the constraints")
    fields = children(der, start, end)
    powers = bool(fields)
    if fields and fields[0][0] == BOOLEAN:
        _, _, content, stop = fields.pop(0)
        # X.690 §11.5: DER leaves the default FALSE out.
        if der[content:stop] != b"\xff":
            raise DerError("cA is not DER")
    if len(fields) > 1 or (fields and fields[0][0] != INTEGER):
        raise DerError("unknown field")
    return powers


def _read_extension(der: bytes, start: int, stop: int) -> RequestedExtension:
    oid, oid_end = expect(der, start, stop, OBJECT_IDENTIFIER)
    tag, content, value_end = read(der, oid_end, stop)
    critical = False
    if tag == BOOLEAN:
        critical = True
        # X.690 §11.1 and §11.5: TRUE is FF, and the default FALSE is left out.
        if der[content:value_end] != b"\xff":
            raise DerError("critical is not DER")
        content, value_end = expect(der, value_end, stop, OCTET_STRING)
    elif tag != OCTET_STRING:
        raise DerError("an extension without its value")
    if value_end != stop:
        raise DerError("octets after an extension")
    return RequestedExtension(
        oid=decode_oid(der[oid:oid_end]), critical=critical, value=der[content:value_end]
    )
