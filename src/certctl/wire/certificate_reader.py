"""A certificate from DER to its fields, as they stand in it (RFC 5280 §4.1).

Only shortest-form DER with a positive serial number and no extension twice is read.
Values of fields are not looked into, and nobody is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from certctl.wire.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DerError,
    children,
    expect,
    read,
)

_MAX_EXTENSIONS = 64
_MAX_SERIAL = 64
"""RFC 5280 allows 20 octets; factories have been seen to use more."""

_BOOLEAN = 0x01
_VERSION = 0xA0
_EXTENSIONS = 0xA3
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")


class CertificateFields(Struct, frozen=True, kw_only=True):
    """One certificate, taken apart.

    Attributes:
        serial: lower-case hex without padding.
        issuer_der: Name.
        subject_der: Name.
        spki_der: SubjectPublicKeyInfo.
        extensions: values (DER) by content octets of their OID.
    """

    serial: str
    issuer_der: bytes
    subject_der: bytes
    spki_der: bytes
    extensions: Mapping[bytes, bytes]

    @property
    def san_der(self) -> bytes:
        """GeneralNames (DER), or empty."""
        return self.extensions.get(_SUBJECT_ALT_NAME, b"")


def read_certificate(der: bytes) -> CertificateFields:
    """Take a certificate apart; octets after its end are the caller's to refuse.

    Raises:
        DerError: not DER, not a certificate, or something in it twice.
    """
    start, end = expect(der, 0, len(der), SEQUENCE)
    start, end = expect(der, start, end, SEQUENCE)
    fields = children(der, start, end)
    if fields and fields[0][0] == _VERSION:
        fields = fields[1:]
    if [field[0] for field in fields[:6]] != [INTEGER, *[SEQUENCE] * 5]:
        raise DerError("not a certificate")
    issuer, subject, key = fields[2], fields[4], fields[5]
    return CertificateFields(
        serial=_serial(der, *fields[0][2:]),
        issuer_der=der[issuer[1] : issuer[3]],
        subject_der=der[subject[1] : subject[3]],
        spki_der=der[key[1] : key[3]],
        extensions=_extensions(der, fields[6:]),
    )


def _serial(der: bytes, start: int, end: int) -> str:
    value = int.from_bytes(der[start:end], "big", signed=True)
    if value <= 0 or end - start > _MAX_SERIAL:
        raise DerError("serial number not positive, or too long")
    return f"{value:x}"


def _extensions(der: bytes, fields: list[tuple[int, int, int, int]]) -> dict[bytes, bytes]:
    """Values (DER) by content octets of their OID."""
    wrapped = [field for field in fields if field[0] == _EXTENSIONS]
    if not wrapped:
        return {}
    start, end = expect(der, wrapped[0][2], wrapped[0][3], SEQUENCE)
    found: dict[bytes, bytes] = {}
    for tag, _, content, stop in children(der, start, end):
        if tag != SEQUENCE:
            raise DerError("not an extension")
        oid, oid_end = expect(der, content, stop, OBJECT_IDENTIFIER)
        after, value, value_end = read(der, oid_end, stop)
        if after == _BOOLEAN:
            value, value_end = expect(der, value_end, stop, OCTET_STRING)
        elif after != OCTET_STRING:
            raise DerError("not an extension")
        name = der[oid:oid_end]
        # RFC 5280 §4.2: two of a kind mean two readings.
        if name in found or len(found) == _MAX_EXTENSIONS or value_end != stop:
            raise DerError("extension twice, or too many of them")
        found[name] = der[value:value_end]
    return found
