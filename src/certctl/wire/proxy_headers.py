"""What a proxy says about the client behind it: RFC 9440, RFC 7239 and their forerunners.

Only decodes; whether the sender may say such a thing is not known here. Strict, because a
value read in two ways would be two clients. One value per call: joining and doubling of
header lines is the caller's.
"""

from __future__ import annotations

import binascii
import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

from certctl.wire.body import strict_base64
from certctl.wire.der import SEQUENCE, DerError, expect

MAX_VALUE: Final = 16 * 1024
"""Octets of one value; the listener's cap on a whole header, so nothing longer arrives."""

MAX_CHAIN: Final = 8
"""Certificates after the first; the depth of a path that is verified (est §3)."""

MAX_HOPS: Final = 32
"""Proxies in a row. Networks have two or three; each hop costs a look-up."""

Hop = IPv4Address | IPv6Address | None
"""One ``for``; None where the hop before would not or could not say."""


class Fault(StrEnum):
    """What is wrong with a value; the names are for records and answers."""

    TOO_LONG = "too_long"
    NOT_BYTES = "not_a_byte_sequence"
    NOT_ESCAPED = "not_url_encoded"
    NOT_PEM = "not_one_pem_certificate"
    NOT_DER = "not_a_certificate"
    NOT_FORWARDED = "not_rfc_7239"
    NOT_ADDRESS = "not_an_address"
    DOUBLED = "doubled"
    CONFLICT = "contradicts_another_header"
    ALONE = "chain_without_certificate"


class ProxyHeaderMalformed(ValueError):
    """The value cannot be read; ``fault`` says how."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


# RFC 8941 §3.3.5. Padding may be left out (§4.2.7).
_BYTES = re.compile(rb":([A-Za-z0-9+/]*)(={0,2}):")
_ESCAPED = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})+")
_PEM = re.compile(
    rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*", re.ASCII
)
# RFC 7239 §4 by way of RFC 9110 §5.6: one pair, or what separates pairs.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_PAIR = re.compile(rb"(" + _TOKEN + rb")=(" + _TOKEN + rb"|" + _QUOTED + rb")")
_SEPARATOR = re.compile(rb"[ \t]*([,;])[ \t]*")
_NODE = re.compile(
    r"(?P<node>unknown|_[A-Za-z0-9._-]+|[0-9.]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
)


def decode_client_cert(value: bytes) -> bytes:
    """``Client-Cert`` (RFC 9440 §2.2): the client's certificate, DER.

    Raises:
        ProxyHeaderMalformed: not exactly one byte sequence (RFC 8941 §3.3.5) of DER.
    """
    return _byte_sequence(_bounded(value).strip(b" "))


def decode_client_cert_chain(value: bytes) -> tuple[bytes, ...]:
    """``Client-Cert-Chain`` (RFC 9440 §2.3): what followed the certificate, in order, DER.

    Raises:
        ProxyHeaderMalformed: not a list (RFC 8941 §3.1) of byte sequences, or too many.
    """
    members = _bounded(value).split(b",")  # no byte sequence holds a comma
    if len(members) > MAX_CHAIN:
        raise ProxyHeaderMalformed(Fault.TOO_LONG)
    return tuple(_byte_sequence(member.strip(b" \t")) for member in members)


def encode_client_cert(der: bytes) -> bytes:
    """A certificate as ``Client-Cert``, and as a member of ``Client-Cert-Chain``."""
    return b":" + binascii.b2a_base64(der, newline=False) + b":"


def decode_escaped_pem(value: bytes) -> bytes:
    """``X-SSL-Client-Cert``: one certificate in PEM, URL-encoded; given as DER.

    That is nginx's ``$ssl_client_escaped_cert``. A plus sign is a plus sign: others leave
    base64's own as they are.

    Raises:
        ProxyHeaderMalformed: not URL-encoded, not one PEM certificate, not DER.
    """
    value = _bounded(value)
    if _ESCAPED.fullmatch(value) is None:
        raise ProxyHeaderMalformed(Fault.NOT_ESCAPED)
    pem = _PEM.fullmatch(unquote_to_bytes(value))
    if pem is None:
        raise ProxyHeaderMalformed(Fault.NOT_PEM)
    try:
        der = strict_base64(b"".join(pem[1].split()))
    except ValueError as err:
        raise ProxyHeaderMalformed(Fault.NOT_PEM) from err
    return _certificate(der)


def decode_forwarded(value: bytes) -> tuple[Hop, ...]:
    """``Forwarded`` (RFC 7239): each element's ``for``, the farthest first.

    An element without ``for``, with ``unknown`` or with an obfuscated name is None; ports
    are dropped.

    Raises:
        ProxyHeaderMalformed: not of the grammar of §4, a parameter twice in one element,
            or more than ``MAX_HOPS``.
    """
    value = _bounded(value).strip(b" \t")
    hops: list[Hop] = []
    element: dict[bytes, bytes] = {}
    at = 0
    while True:
        pair = _PAIR.match(value, at)
        if pair is None or pair[1].lower() in element:
            raise ProxyHeaderMalformed(Fault.NOT_FORWARDED)
        element[pair[1].lower()] = pair[2]
        at = pair.end()
        separator = _SEPARATOR.match(value, at)
        if separator is None or separator[1] == b",":
            hops.append(_hop(_unquoted(element[b"for"])) if b"for" in element else None)
            element = {}
        if separator is None:
            break
        at = separator.end()
    if at != len(value):
        raise ProxyHeaderMalformed(Fault.NOT_FORWARDED)
    return _few(hops)


def decode_x_forwarded_for(value: bytes) -> tuple[Hop, ...]:
    """``X-Forwarded-For``: addresses, the farthest first; ports are dropped.

    IPv6 may stand without brackets, then it has no port.

    Raises:
        ProxyHeaderMalformed: something in it is no address, or more than ``MAX_HOPS``.
    """
    texts = _bounded(value).decode("latin-1").split(",")
    return _few([_bare_hop(text.strip(" \t")) for text in texts])


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_VALUE:
        raise ProxyHeaderMalformed(Fault.TOO_LONG)
    return value


def _byte_sequence(item: bytes) -> bytes:
    found = _BYTES.fullmatch(item)
    if found is None:
        raise ProxyHeaderMalformed(Fault.NOT_BYTES)
    text = found[1]
    padding = b"=" * (-len(text) % 4)
    if found[2] not in (b"", padding):
        raise ProxyHeaderMalformed(Fault.NOT_BYTES)
    try:
        der = strict_base64(text + padding)
    except ValueError as err:
        raise ProxyHeaderMalformed(Fault.NOT_BYTES) from err
    return _certificate(der)


def _certificate(der: bytes) -> bytes:
    """One whole DER SEQUENCE: a cut one is the proxy's fault, not the client's."""
    try:
        _, end = expect(der, 0, len(der), SEQUENCE)
    except DerError as err:
        raise ProxyHeaderMalformed(Fault.NOT_DER) from err
    if end != len(der):
        raise ProxyHeaderMalformed(Fault.NOT_DER)
    return der


def _few(hops: list[Hop]) -> tuple[Hop, ...]:
    if len(hops) > MAX_HOPS:
        raise ProxyHeaderMalformed(Fault.TOO_LONG)
    return tuple(hops)


def _unquoted(value: bytes) -> str:
    if value.startswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
    return value.decode("latin-1")


def _bare_hop(text: str) -> Hop:
    bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
    return _address(text) if bare_ipv6 else _hop(text)


def _hop(text: str) -> Hop:
    """A node of RFC 7239 §6: address, ``unknown`` or obfuscated, each maybe with a port."""
    found = _NODE.fullmatch(text)
    if found is None:
        raise ProxyHeaderMalformed(Fault.NOT_ADDRESS)
    node = found["node"]
    if node == "unknown" or node.startswith("_"):
        return None
    return _address(node.strip("[]"))


def _address(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:  # an IPv6 zone says nothing on another host
        raise ProxyHeaderMalformed(Fault.NOT_ADDRESS)
    try:
        address = ip_address(text)
    except ValueError as err:
        raise ProxyHeaderMalformed(Fault.NOT_ADDRESS) from err
    # One client, one name: limits and networks speak of IPv4 addresses as such.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
