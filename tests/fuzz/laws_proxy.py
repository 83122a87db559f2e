"""What must hold for any value that ``certctl.wire.proxy_headers`` reads.

Clients write into these headers too, so besides "only documented faults": a second reader
finds the same, and nothing that stands before the word of a trusted proxy changes that word.
"""

from __future__ import annotations

import base64
import re
import ssl
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote

from certctl.wire.der import SEQUENCE, read
from certctl.wire.proxy_headers import (
    MAX_CHAIN,
    MAX_HOPS,
    MAX_VALUE,
    Hop,
    ProxyHeaderMalformed,
    decode_client_cert,
    decode_client_cert_chain,
    decode_escaped_pem,
    decode_forwarded,
    decode_x_forwarded_for,
    encode_client_cert,
)
from certctl.wire.traceparent import PATTERN, decode_traceparent, encode_traceparent

NEAR = ip_address("192.0.2.1")


def client_cert(data: bytes) -> None:
    """Certificates are whole, and what the library's base64 and PEM readers find."""
    with suppress(ProxyHeaderMalformed):
        der = decode_client_cert(data)
        _whole(der)
        text = data.strip(b" ")[1:-1]
        bare = text.rstrip(b"=")
        padded = bare + b"=" * (-len(bare) % 4)
        assert text in (bare, padded), "two ways to pad"
        assert base64.b64decode(padded, validate=True) == der
        assert decode_client_cert_chain(data) == (der,)
    with suppress(ProxyHeaderMalformed):
        chain = decode_client_cert_chain(data)
        assert 1 <= len(chain) <= MAX_CHAIN
        for each in chain:
            _whole(each)
        again = b", ".join(map(encode_client_cert, chain))
        if len(again) <= MAX_VALUE:
            assert decode_client_cert_chain(again) == chain
    with suppress(ProxyHeaderMalformed):
        der = decode_escaped_pem(data)
        _whole(der)
        assert ssl.PEM_cert_to_DER_cert(unquote(data.decode("ascii")).strip()) == der


def _whole(der: bytes) -> None:
    tag, _, end = read(der, 0, len(der))
    assert (tag, end) == (SEQUENCE, len(der))


def forwarded(data: bytes) -> None:
    """What the nearest proxy adds is read as that proxy wrote it, whatever stands before."""
    with suppress(ProxyHeaderMalformed):
        hops = decode_forwarded(data)
        assert len(hops) == _commas(data) + 1
        _same_beside(data, hops, rfc=True)
    with suppress(ProxyHeaderMalformed):
        hops = decode_x_forwarded_for(data)
        texts = data.decode("latin-1").split(",")
        for hop, text in zip(hops, texts, strict=True):
            _is_said(hop, text.strip(" \t"))
        _same_beside(data, hops, rfc=False)


def traceparent(data: bytes) -> None:
    """What is read is there in so many digits, and is written again as it stands there."""
    found = decode_traceparent(data)
    if found is not None:
        assert 0 < found.trace_id < 1 << 128
        assert 0 < found.span_id < 1 << 64
        written = encode_traceparent(found)
        assert re.fullmatch(PATTERN, written)
        assert data[2:53] == written.encode()[2:53]
        assert decode_traceparent(written.encode()) == found


def _same_beside(data: bytes, hops: tuple[Hop, ...], *, rfc: bool) -> None:
    assert 1 <= len(hops) <= MAX_HOPS
    assert not any(isinstance(hop, IPv6Address) and hop.ipv4_mapped for hop in hops)
    decode = decode_forwarded if rfc else decode_x_forwarded_for
    assert decode(b",".join(_written(hop, rfc=rfc) for hop in hops)) == hops
    near = _written(NEAR, rfc=rfc)
    if len(hops) < MAX_HOPS and len(data) + len(near) + 2 <= MAX_VALUE:
        assert decode(data + b", " + near) == (*hops, NEAR)
        assert decode(near + b", " + data) == (NEAR, *hops)


def _written(hop: Hop, *, rfc: bool) -> bytes:
    text = "unknown" if hop is None else str(hop)
    if not rfc:
        return text.encode()
    return f'for="[{text}]"'.encode() if ":" in text else f"for={text}".encode()


def _commas(data: bytes) -> int:
    """Those outside of quoted strings (RFC 9110 §5.6.4), by another way than the decoder's."""
    number, quoted, escaped = 0, False, False
    for octet in data:
        if escaped:
            escaped = False
        elif quoted and octet == 0x5C:
            escaped = True
        elif octet == 0x22:
            quoted = not quoted
        elif octet == 0x2C and not quoted:
            number += 1
    return number


def _is_said(hop: Hop, text: str) -> None:
    """The address stands in the text, alone or with brackets and a port."""
    if hop is None:
        assert text.startswith(("unknown", "_")), text
        return
    host = text
    if text.startswith("["):
        host = text[1 : text.index("]")]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assert hop == (mapped or address)
