"""A distinguished name as text for people and records (RFC 4514).

Lenient on purpose: the names are those of other people's factories and attackers, and a
refusal that cannot name what it refused helps nobody. Nothing that a terminal, a log or
a page could act on gets through. Never compare these texts: the DER decides.
"""

from __future__ import annotations

from functools import lru_cache

from certctl.wire.der import (
    OBJECT_IDENTIFIER,
    SEQUENCE,
    SET,
    DerError,
    children,
    decode_oid,
    expect,
)

MAX_TEXT = 1024
"""Characters kept of one name; records and log lines stay readable."""

# RFC 4514 §3, and serialNumber, which device certificates are known by.
_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}

_ENCODINGS = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as it is used in practice
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

_SPECIAL = frozenset('"+,;<>\\')


# Issuers come again and again; a giant name would fill the cache, and is not worth it.
_MAX_CACHED = 512


def name_text(name_der: bytes) -> str:
    r"""RFC 4514 text of a Name, most specific part first; ``""`` for the empty name.

    Characters that cannot be printed (controls, bidirectional overrides …) stand as
    ``\XX`` of their UTF-8 octets, values of unknown form as ``#`` and hex. A name that
    cannot be read at all is ``#`` and hex as a whole.
    """
    return _cached_text(name_der) if len(name_der) <= _MAX_CACHED else _text(name_der)


@lru_cache(maxsize=512)
def _cached_text(name_der: bytes) -> str:
    return _text(name_der)


def _text(name_der: bytes) -> str:
    try:
        start, end = expect(name_der, 0, len(name_der), SEQUENCE)
        parts = [
            "+".join(
                _attribute(name_der, *inner) for inner in _inside(name_der, *outer, tag=SEQUENCE)
            )
            for outer in _inside(name_der, start, end, tag=SET)
        ]
    except DerError:
        return _cut(f"#{name_der.hex()}")
    # RFC 4514 §2.1: the last of the sequence comes first.
    return _cut(",".join(reversed(parts)))


def _inside(der: bytes, start: int, end: int, *, tag: int) -> list[tuple[int, int]]:
    """Contents of the values there, all of which must have ``tag``."""
    found = children(der, start, end)
    if any(other != tag for other, *_ in found):
        raise DerError("not a name")
    return [(content, stop) for _, _, content, stop in found]


def _attribute(der: bytes, start: int, end: int) -> str:
    oid, oid_end = expect(der, start, end, OBJECT_IDENTIFIER)
    members = children(der, oid_end, end)
    if len(members) != 1:
        raise DerError("not an attribute")
    tag, offset, content, stop = members[0]
    kind = decode_oid(der[oid:oid_end])
    encoding = _ENCODINGS.get(tag)
    if encoding is None:
        value = f"#{der[offset:stop].hex()}"
    else:
        try:
            value = _escape(der[content:stop].decode(encoding))
        except UnicodeDecodeError:
            value = f"#{der[offset:stop].hex()}"
    return f"{_SHORT_NAMES.get(kind, kind)}={value}"


def _escape(text: str) -> str:
    if text.isprintable() and not _SPECIAL.intersection(text):
        escaped = text
    else:
        escaped = "".join(map(_escape_character, text))
    # RFC 4514 §2.4: a space or number sign at the start, a space at the end.
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(text) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped


def _escape_character(character: str) -> str:
    if character in _SPECIAL:
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
