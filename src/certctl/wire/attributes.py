"""The attributes of a PKCS#10 request (RFC 2986 §4.1, RFC 2985, RFC 7894), from DER.

Which of them carry a channel binding or a secret is decided here, once. An attribute
that could be read in two ways (several values where one is meant, the same type twice,
two lists of extensions) is refused.
"""

from __future__ import annotations

import binascii

from certctl.domain.csr import Attribute, RequestedExtension
from certctl.domain.errors import RequestMalformed
from certctl.wire.der import (
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    DerError,
    decode_oid,
    expect,
    read,
)
from certctl.wire.extensions import decode_extensions
from certctl.wire.names import decode_string

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT_EXTENSIONS = "1.3.6.1.4.1.311.2.1.14"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105 - an OID
OTP_CHALLENGE = "1.2.840.113549.1.9.16.2.56"
REVOCATION_CHALLENGE = "1.2.840.113549.1.9.16.2.57"
EST_IDENTITY_LINKING = "1.2.840.113549.1.9.16.2.58"
IMPLEMENTED_COMPRESSION = "1.2.840.113549.1.9.16.2.43"

SECRETS = frozenset(
    {
        CHALLENGE_PASSWORD,
        OTP_CHALLENGE,
        REVOCATION_CHALLENGE,
        EST_IDENTITY_LINKING,
        IMPLEMENTED_COMPRESSION,
    }
)
"""Attributes whose values never reach a record or a log; all that can bind are here."""

MAX_ATTRIBUTES = 64
"""No request needs more; bounds the work on a hostile one."""

MAX_VALUES = 64
"""Of one attribute, for the same reason."""

_EXTENSION_LISTS = frozenset({EXTENSION_REQUEST, MICROSOFT_EXTENSIONS})
_SINGLE = SECRETS | _EXTENSION_LISTS
_TEXT_BINDINGS = frozenset({CHALLENGE_PASSWORD, EST_IDENTITY_LINKING})
# Clients of the original put the exporter's octets here (est §4). The OIDs belong to
# other standards, so only an OCTET STRING of exactly that size is a binding.
_OCTET_BINDINGS = frozenset({OTP_CHALLENGE, IMPLEMENTED_COMPRESSION})
_EXPORTER_OCTETS = 32


def decode_attributes(der: bytes, offset: int, end: int) -> tuple[Attribute, ...]:
    """Read the content of ``[0] SET OF Attribute`` in ``der[offset:end]``.

    Raises:
        RequestMalformed: ``attribute``; no value, or more than one where one is meant.
        DerError: not DER.
    """
    found: list[Attribute] = []
    single: set[str] = set()
    while offset < end:
        start, stop = expect(der, offset, end, SEQUENCE)
        oid, oid_end = expect(der, start, stop, OBJECT_IDENTIFIER)
        value, values_end = expect(der, oid_end, stop, SET)
        if values_end != stop:
            raise DerError("octets after an attribute")
        dotted = decode_oid(der[oid:oid_end])
        values = []
        while value < values_end:
            _, _, value_end = read(der, value, values_end)
            values.append(der[value:value_end])
            value = value_end
            if len(values) > MAX_VALUES:
                raise RequestMalformed("attribute", f"more than {MAX_VALUES} values in {dotted}")
        if not values:
            raise RequestMalformed("attribute", f"{dotted} has no value")
        if dotted in _SINGLE:
            if len(values) > 1 or dotted in single:
                raise RequestMalformed("attribute", f"{dotted} has more than one value")
            single.add(dotted)
        found.append(Attribute(oid=dotted, values=tuple(values), der=der[offset:stop]))
        if len(found) > MAX_ATTRIBUTES:
            raise RequestMalformed("attribute", f"more than {MAX_ATTRIBUTES} attributes")
        offset = stop
    return tuple(found)


def requested_extensions(attributes: tuple[Attribute, ...]) -> tuple[RequestedExtension, ...]:
    """The extensions asked for, in extensionRequest or in Microsoft's twin of it.

    Raises:
        RequestMalformed: ``attribute`` when there are two lists, ``extension`` when the
            list is malformed or names an extension twice.
    """
    lists = [attribute for attribute in attributes if attribute.oid in _EXTENSION_LISTS]
    if not lists:
        return ()
    if len(lists) > 1:
        raise RequestMalformed("attribute", "two lists of requested extensions")
    try:
        return decode_extensions(lists[0].values[0])
    except DerError as err:
        raise RequestMalformed("extension", str(err)) from err


def bindings_of(attributes: tuple[Attribute, ...]) -> tuple[tuple[str, str], ...]:
    """(OID, text) of everything that may be a channel binding (est §4).

    The octet form of the original's clients is given as the base64 it stands for.

    Raises:
        RequestMalformed: ``attribute``; a challenge that is no string.
    """
    found: list[tuple[str, str]] = []
    for attribute in attributes:
        if attribute.oid in _TEXT_BINDINGS:
            found.append((attribute.oid, _text_of(attribute)))
        elif attribute.oid in _OCTET_BINDINGS:
            tag, start, end = read(attribute.values[0], 0, len(attribute.values[0]))
            if tag == OCTET_STRING and end - start == _EXPORTER_OCTETS:
                text = binascii.b2a_base64(attribute.values[0][start:end], newline=False)
                found.append((attribute.oid, text.decode("ascii")))
    return tuple(found)


def _text_of(attribute: Attribute) -> str:
    value = attribute.values[0]
    try:
        tag, start, end = read(value, 0, len(value))
        text = decode_string(tag, value[start:end])
    except DerError as err:
        raise RequestMalformed("attribute", f"{attribute.oid}: {err}") from err
    if text is None:
        raise RequestMalformed("attribute", f"{attribute.oid} is no string")
    return text
