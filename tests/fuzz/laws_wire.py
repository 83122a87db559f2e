"""What must hold for any octets that reach a decoder of ``certctl.wire``.

A law takes the input and raises when it is broken. Only the refusals that a decoder
documents are caught; every other exception is a finding. What is accepted must mean what
it says: it is written again to the same octets, or another library reads the same.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from ipaddress import ip_address

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certctl.domain.errors import PolicyViolation, RequestMalformed
from certctl.domain.keys import load_public_key
from certctl.domain.names import STRING_TAGS, DistinguishedName, check_name
from certctl.domain.plain_text import MAX_SHOWN, shown
from certctl.domain.san import GeneralName, SanKind, check_sans
from certctl.wire.basic import BasicCredentials, BasicFault, decode_basic
from certctl.wire.body import decode_body, encode_base64, is_single_line
from certctl.wire.csrattrs_reader import decode_csrattrs, described
from certctl.wire.der import (
    BOOLEAN,
    OCTET_STRING,
    SEQUENCE,
    SET,
    DerError,
    children,
    decode_oid,
    encode,
    encode_oid,
)
from certctl.wire.extensions import (
    decode_basic_constraints,
    decode_extended_key_usage,
    decode_extensions,
    decode_key_usage,
)
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name

MAX_NOTE = 10 * MAX_SHOWN + 200
"""Characters of a refusal: of a foreign value ``MAX_SHOWN``, each of them ten when escaped,
and our own words. A longer one would let a stranger fill logs and records."""

_CODECS = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_TEXT_TAGS = {SanKind.EMAIL: 0x81, SanKind.DNS: 0x82, SanKind.URI: 0x86}
_OPAQUE_TAGS = {
    SanKind.X400_ADDRESS: 0xA3,
    SanKind.DIRECTORY_NAME: 0xA4,
    SanKind.EDI_PARTY_NAME: 0xA5,
    SanKind.REGISTERED_ID: 0x88,
}
ALLOWED_SANS = ("dns", "ip", "email", "uri", "upn")


def check_refusal(refusal: RequestMalformed | PolicyViolation) -> None:
    """A refusal is short, and safe in a log and on a terminal."""
    for value in refusal.details().values():
        text = str(value)
        assert len(text) <= MAX_NOTE, f"{len(text)} characters in a refusal"
        assert text.isprintable(), f"unprintable refusal {text!r}"


def body(data: bytes) -> None:
    is_single_line(data)
    try:
        octets = decode_body(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    if data[:1] == b"\x30":
        assert octets is data
        return
    if b"-----BEGIN" not in data:
        assert octets == base64.b64decode(bytes(c for c in data if c not in b" \t\r\n"))
    if octets[:1] == b"\x30":
        for wrapped in (True, False):
            text = encode_base64(octets, wrapped=wrapped)
            assert decode_body(text) == octets
            assert is_single_line(text) is (text.count(b"\n") == 1)


def basic(data: bytes) -> None:
    # Our own edge gives header values as Latin-1 text.
    found = decode_basic(data.decode("latin-1"))
    if isinstance(found, BasicFault):
        return
    assert found.password
    text = f"{found.user}:{found.password}"
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in text)
    assert ":" not in found.user
    assert repr(found) == f"BasicCredentials(user={found.user!r})"
    again = decode_basic("Basic " + base64.b64encode(text.encode()).decode())
    assert again == BasicCredentials(user=found.user, password=found.password)


def der(data: bytes) -> None:
    with suppress(DerError):
        values = children(data, 0, len(data), most=len(data))
        assert b"".join(encode(tag, data[at:end]) for tag, _, at, end in values) == data
    with suppress(DerError):
        assert encode_oid(decode_oid(data)) == encode(0x06, data)


def oid_text(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with suppress(DerError):
        content = encode_oid(text)
        start = 2 if content[1] < 0x80 else 2 + (content[1] & 0x7F)
        if len(content) - start <= 64:
            assert decode_oid(content[start:]) == text


def csrattrs(data: bytes) -> None:
    """What servers send to our own client."""
    try:
        asked = decode_csrattrs(data)
    except DerError:
        return
    parts = (
        encode(SEQUENCE, encode_oid(each.oid), encode(SET, *each.values))
        if each.values
        else encode_oid(each.oid)
        for each in asked
    )
    assert encode(SEQUENCE, *parts) == data
    for each in asked:
        with suppress(DerError):
            assert described(each).isascii()


def names(data: bytes) -> None:
    try:
        name = decode_name(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    assert encode_name(name) == data
    assert name.text().isprintable()
    assert shown(name.common_name() or "").isprintable()
    with suppress(PolicyViolation):
        check_name(name)


def encode_name(name: DistinguishedName) -> bytes:
    """The octets of which a name was read, from its value alone."""
    return encode(
        SEQUENCE,
        *(
            encode(
                SET,
                *(encode(SEQUENCE, encode_oid(one.oid), _string(one.tag, one.text)) for one in rdn),
            )
            for rdn in name.rdns
        ),
    )


def _string(tag: int, text: str) -> bytes:
    if tag not in STRING_TAGS:
        return bytes.fromhex(text[1:])
    return encode(tag, text.encode(_CODECS.get(tag, "utf-8")))


def general_names(data: bytes) -> None:
    try:
        found = decode_general_names(data)
    except RequestMalformed as refused:
        check_refusal(refused)
        return
    assert encode(SEQUENCE, *map(_general_name, found)) == data
    assert all(str(name).isprintable() for name in found)
    try:
        check_sans(found, allowed=ALLOWED_SANS, most=1_000)
    except PolicyViolation as refused:
        check_refusal(refused)


def _general_name(name: GeneralName) -> bytes:
    kind, value = name.kind, name.value
    if kind in _TEXT_TAGS:
        return encode(_TEXT_TAGS[kind], value.encode("ascii"))
    if kind is SanKind.IP:
        return encode(0x87, ip_address(value).packed)
    if kind in _OPAQUE_TAGS:
        return encode(_OPAQUE_TAGS[kind], bytes.fromhex(value[1:]))
    if kind is SanKind.UPN:
        oid, inner = "1.3.6.1.4.1.311.20.2.3", encode(0x0C, value.encode())
    elif kind is SanKind.HARDWARE_MODULE:
        oid, inner = "1.3.6.1.5.5.7.8.4", bytes.fromhex(value[1:])
    else:
        oid, _, text = value.partition(";#")
        inner = bytes.fromhex(text)
    return encode(0xA0, encode_oid(oid), encode(0xA0, inner))


def extensions(data: bytes) -> None:
    for look_into in (decode_key_usage, decode_basic_constraints):
        with suppress(DerError):
            look_into(data)
    with suppress(DerError):
        purposes = decode_extended_key_usage(data)
        assert encode(SEQUENCE, *map(encode_oid, purposes)) == data
    try:
        found = decode_extensions(data)
    except DerError:
        return
    flag = encode(BOOLEAN, b"\xff")
    again = [
        encode(
            SEQUENCE,
            encode_oid(one.oid),
            flag if one.critical else b"",
            encode(OCTET_STRING, one.value),
        )
        for one in found
    ]
    assert encode(SEQUENCE, *again) == data


def public_key(data: bytes) -> None:
    try:
        key = load_public_key(data)
    except PolicyViolation as refused:
        check_refusal(refused)
        return
    assert key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == data
