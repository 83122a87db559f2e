"""Distinguished names (RFC 5280 §4.1.2.4): the value, its text, equality, and its rules.

A name keeps what was written: the sequence of RDNs, multi-valued RDNs, string types
and exact code points. ``wire.names`` reads it from DER. Nothing here changes a name:
certificates copy the DER of the request byte for byte.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from certctl.domain.errors import PolicyViolation
from certctl.domain.plain_text import check_text, shown

COMMON_NAME = "2.5.4.3"
SERIAL_NUMBER = "2.5.4.5"
EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
UNSTRUCTURED_NAME = "1.2.840.113549.1.9.2"
DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25"

UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16

STRING_TAGS = frozenset({UTF8_STRING, 0x12, PRINTABLE_STRING, 0x14, IA5_STRING, 0x1A, 0x1C, 0x1E})
"""X.680 string types whose text is read; beyond the three named ones only to say no."""

MAX_ATTRIBUTES = 32
"""More than any device name has; the longest known (IEEE 802.1AR chains) has nine."""

MAX_VALUE = 256
"""Characters. RFC 5280 says 64 for most attributes; factories exceed it, and a name of
this size still fits every column, log line and console."""

_DIRECTORY_STRINGS = frozenset({UTF8_STRING, PRINTABLE_STRING})

# RFC 4519 §2 and RFC 2985 §5.2, §5.4 define these as IA5String; Cisco routers
# write their host name as unstructuredName.
_IA5_ATTRIBUTES = frozenset({EMAIL_ADDRESS, UNSTRUCTURED_NAME, DOMAIN_COMPONENT})

KEYWORDS = {
    COMMON_NAME: "CN",
    "2.5.4.4": "SN",
    SERIAL_NUMBER: "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    DOMAIN_COMPONENT: "DC",
    EMAIL_ADDRESS: "emailAddress",
    UNSTRUCTURED_NAME: "unstructuredName",
}

OIDS = {keyword: oid for oid, keyword in KEYWORDS.items()}
"""By the keywords in which profiles and people write them."""

_SPECIAL = frozenset('",+;<>\\')


class _Escapes(dict[int, str]):
    """A table for ``str.translate``: a giant value of control characters costs no more
    than one of letters. What is looked up later is not kept, because strangers choose it.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _SPECIAL:
            return "\\" + character
        if character.isprintable():
            return character
        octets = character.encode("utf-8", "surrogatepass")
        return "".join(f"\\{octet:02X}" for octet in octets)


_ESCAPES = _Escapes()
_ESCAPES.update({code: _ESCAPES[code] for code in range(0x100)})


class NameAttribute(Struct, frozen=True, kw_only=True):
    """One attribute type and value.

    ``tag`` is the DER tag of the value. ``text`` is its characters, or ``#`` and the
    hexadecimal DER of a value that is no string.
    """

    oid: str
    tag: int
    text: str

    def __str__(self) -> str:
        text = _escaped(self.text) if self.tag in STRING_TAGS else self.text
        return f"{KEYWORDS.get(self.oid, self.oid)}={text}"


RelativeName = tuple[NameAttribute, ...]
"""One RDN: usually one attribute."""


class DistinguishedName(Struct, frozen=True, kw_only=True):
    """A sequence of RDNs in the order of the DER (most general first)."""

    rdns: tuple[RelativeName, ...]

    @property
    def is_empty(self) -> bool:
        return not self.rdns

    def text(self) -> str:
        """RFC 4514: most specific RDN first, escaped; safe in logs and terminals."""
        if len(self.rdns) == 1 and len(self.rdns[0]) == 1:
            return str(self.rdns[0][0])
        return ",".join("+".join(map(str, rdn)) for rdn in reversed(self.rdns))

    def common_name(self) -> str | None:
        """The most specific (last) CN as it was written; unescaped."""
        for rdn in reversed(self.rdns):
            for attribute in rdn:
                if attribute.oid == COMMON_NAME:
                    return attribute.text
        return None

    def values(self, oid: str) -> tuple[str, ...]:
        """The texts of all attributes of one type, as written, most general first.

        A value that is no string is left out: nothing can be said about it.
        """
        return tuple(
            attribute.text
            for rdn in self.rdns
            for attribute in rdn
            if attribute.oid == oid and attribute.tag in STRING_TAGS
        )


def same_subject(one: DistinguishedName, other: DistinguishedName) -> bool:
    """Equality for renewals (policy §5): same RDNs in order, types, exact code points.

    UTF8String and PrintableString of the same text are equal, case matters, and the
    order of attributes within one RDN does not.
    """
    return len(one.rdns) == len(other.rdns) and all(
        Counter(map(_comparable, left)) == Counter(map(_comparable, right))
        for left, right in zip(one.rdns, other.rdns, strict=True)
    )


def begins_with(name: DistinguishedName, base: DistinguishedName) -> bool:
    """``name`` is ``base`` or below it in the tree; RDNs compared as for renewals."""
    depth = len(base.rdns)
    return same_subject(DistinguishedName(rdns=name.rdns[:depth]), base)


def check_name(name: DistinguishedName) -> None:
    """The rules every subject meets, whatever the profile (policy §2).

    An empty name passes: whether it may be empty depends on the SAN.

    Raises:
        PolicyViolation: ``name`` for characters that deceive, ``subject`` for the form.
    """
    attributes = 0
    for rdn in name.rdns:
        for attribute in rdn:
            attributes += 1
            tag = attribute.tag
            if tag not in _DIRECTORY_STRINGS and not (
                tag == IA5_STRING and attribute.oid in _IA5_ATTRIBUTES
            ):
                raise PolicyViolation(
                    "subject",
                    wanted="UTF8String or PrintableString (RFC 5280 §4.1.2.4)",
                    got=f"ASN.1 tag {tag:#04x} in {shown(str(attribute))}",
                )
            text = attribute.text
            if not 0 < len(text) <= MAX_VALUE:
                raise PolicyViolation(
                    "subject",
                    wanted=f"1 to {MAX_VALUE} characters in each attribute",
                    got=f"{len(text)} characters in {shown(str(attribute))}",
                )
            if not (text.isascii() and text.isprintable()):
                check_text(text, of=KEYWORDS.get(attribute.oid, attribute.oid))
    if attributes > MAX_ATTRIBUTES:
        raise PolicyViolation(
            "subject", wanted=f"at most {MAX_ATTRIBUTES} attributes", got=str(attributes)
        )


def _comparable(attribute: NameAttribute) -> tuple[str, int, str]:
    tag = UTF8_STRING if attribute.tag == PRINTABLE_STRING else attribute.tag
    return attribute.oid, tag, attribute.text


def _escaped(text: str) -> str:
    """RFC 4514 §2.4; besides, everything unprintable as hexadecimal pairs of UTF-8."""
    if not text:
        return ""
    if text.isprintable() and _SPECIAL.isdisjoint(text) and text[0] not in " #" and text[-1] != " ":
        return text
    first = "\\" if text[0] in " #" else ""
    last = "\\ " if text[-1] == " " and len(text) > 1 else text[-1].translate(_ESCAPES)
    return first + text[:-1].translate(_ESCAPES) + last
