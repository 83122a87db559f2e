"""The entries of a certificate profile's lists: keys, purposes, patterns, names, OIDs.

Each function reads one entry or raises ``Unfit`` with what is allowed there.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from cryptography import x509

from certctl.domain.constraints import CONSTRAINED_KINDS, Subtree
from certctl.domain.keys import MAX_RSA_BITS, MIN_RSA_BITS, AllowedKey, KeyAlgorithm
from certctl.domain.names import OIDS, SERIAL_NUMBER, DistinguishedName
from certctl.domain.patterns import BadExpression, SanPattern, compiled
from certctl.domain.purposes import PURPOSES
from certctl.domain.san import ALLOWABLE_KINDS, SanKind, is_dns_name
from certctl.settings.profile_form import Unfit, text_of
from certctl.wire.der import DerError, encode_oid
from certctl.wire.names import decode_name

CURVES = (256, 384, 521)

REQUIRABLE: Mapping[str, str] = OIDS | {
    # RFC 9908 and clients write it so; the serial number of the device, not of a certificate.
    "deviceSerialNumber": SERIAL_NUMBER,
    "challengePassword": "1.2.840.113549.1.9.7",
    "subjectAltName": "2.5.29.17",
    "keyUsage": "2.5.29.15",
    "extendedKeyUsage": "2.5.29.37",
    "macAddress": "1.3.6.1.1.1.1.22",
}
"""What a CSR can be required to carry, by name; anything else is written as its OID."""


def read_key(value: object) -> AllowedKey:
    """``{algorithm = "ECDSA", min_size = 256}``; the size may be left out where one exists."""
    names = ", ".join(algorithm.value for algorithm in KeyAlgorithm)
    allowed = f"{{algorithm = …, min_size = …}} with one of {names}"
    if not isinstance(value, dict) or not set(value) <= {"algorithm", "min_size"}:
        raise Unfit("not an algorithm with its size", allowed=allowed)
    try:
        algorithm = KeyAlgorithm(str(value.get("algorithm")))
    except ValueError as err:
        raise Unfit("unknown algorithm", allowed=names) from err
    size = value.get("min_size", 0)
    if isinstance(size, bool) or not isinstance(size, int):
        raise Unfit("the size is not a number", allowed=allowed)
    match algorithm:
        case KeyAlgorithm.ECDSA:
            sizes, among = size in CURVES or "min_size" not in value, "256, 384 or 521"
            size = size or CURVES[0]
        case KeyAlgorithm.RSA:
            size = size or MIN_RSA_BITS
            sizes = MIN_RSA_BITS <= size <= MAX_RSA_BITS
            among = f"{MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
        case _:
            sizes, among = size == 0, f"no min_size: {algorithm.value} has one size"
    if not sizes:
        raise Unfit("a size that no key may have", allowed=among)
    return AllowedKey(algorithm=algorithm, min_size=size)


def read_purpose(value: object) -> str:
    """An extended key usage by name or dotted OID."""
    return _oid(value, PURPOSES, what="purpose")


def read_attribute(value: object) -> str:
    """What a CSR must carry, by name or dotted OID."""
    return _oid(value, REQUIRABLE, what="attribute")


def read_subject_type(value: object) -> str:
    """A subject attribute by its keyword or dotted OID."""
    return _oid(value, OIDS, what="subject attribute")


def read_kind(value: object) -> SanKind:
    kinds = ", ".join(kind.value for kind in ALLOWABLE_KINDS)
    text = text_of(value, allowed=kinds)
    if text not in ALLOWABLE_KINDS:
        raise Unfit("unknown kind of name", allowed=kinds)
    return SanKind(text)


def read_san_pattern(value: object) -> SanPattern:
    """``kind:expression``."""
    kinds = ", ".join(kind.value for kind in ALLOWABLE_KINDS)
    allowed = f"kind:expression, the kind one of {kinds}"
    kind, colon, expression = text_of(value, allowed=allowed).partition(":")
    if not colon or kind not in ALLOWABLE_KINDS:
        raise Unfit("not kind:expression", allowed=allowed)
    return SanPattern(kind=SanKind(kind), expression=read_expression(expression))


def read_expression(value: object) -> str:
    """A regular expression of RE2: no back-references, no looking around."""
    expression = text_of(value, allowed="a regular expression (RE2)")
    try:
        compiled(expression)
    except BadExpression as err:
        raise Unfit(f"no regular expression: {err}", allowed="RE2 syntax") from err
    return expression


def read_subtree(value: object) -> Subtree:
    """``dns:example.com``, ``ip:192.0.2.0/24``, ``email:…``, ``uri:host``."""
    allowed = "dns:example.com, ip:192.0.2.0/24, email:host or mailbox, uri:host"
    kind, colon, base = text_of(value, allowed=allowed).partition(":")
    if not colon or kind not in CONSTRAINED_KINDS:
        raise Unfit("not kind:name", allowed=allowed)
    subtree = Subtree(kind=SanKind(kind), base=base)
    if subtree.kind is SanKind.IP:
        try:
            subtree.network()
        except ValueError as err:
            raise Unfit(f"no network: {err}", allowed="CIDR notation, host bits zero") from err
        return subtree
    host = base.rpartition("@")[2] if subtree.kind is SanKind.EMAIL else base
    if subtree.kind is not SanKind.DNS and host is base:
        host = host.removeprefix(".")
    if not is_dns_name(host):
        raise Unfit("no host or domain", allowed=allowed)
    return subtree


def read_base(value: object) -> DistinguishedName:
    """RFC 4514 text, most specific RDN first: ``OU=Sensors,O=Acme,C=DE``."""
    allowed = "a name such as OU=Sensors,O=Acme,C=DE (RFC 4514, most specific first)"
    text = text_of(value, allowed=allowed)
    try:
        name = x509.Name.from_rfc4514_string(text, _ATTRIBUTES)
    except ValueError as err:
        raise Unfit("not a distinguished name", allowed=allowed) from err
    if not name.rdns:
        raise Unfit("an empty name", allowed=allowed)
    return decode_name(name.public_bytes())


_ATTRIBUTES = {keyword: x509.ObjectIdentifier(oid) for keyword, oid in OIDS.items()}


def _oid(value: object, names: Mapping[str, str], *, what: str) -> str:
    allowed = ", ".join(names) + ", or a dotted OID"
    text = text_of(value, allowed=allowed)
    if text in names:
        return names[text]
    if not _is_oid(text):
        near = difflib.get_close_matches(text, names, n=1)
        remedy = f"did you mean {near[0]}?" if near else "write its dotted OID"
        raise Unfit(f"unknown {what}", allowed=allowed, remedy=remedy)
    return text


def _is_oid(text: str) -> bool:
    # Only digits and dots: int() would take signs, spaces and other alphabets, too.
    if not text.isascii() or not text.replace(".", "").isdigit():
        return False
    try:
        encode_oid(text)
    except DerError:
        return False
    return True
