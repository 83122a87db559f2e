"""The body of an EST request and answer: base64, PEM or DER (RFC 8951 §3, RFC 7468).

Decided by the octets alone, never by Content-Type or Content-Transfer-Encoding: real
clients disagree about both (est §5). Linear in the length of the body; the caller
bounds that.
"""

from __future__ import annotations

import binascii

from certctl.domain.errors import RequestMalformed

LINE = 64
"""Columns of a folded answer (RFC 7468 §2)."""

_WHITESPACE = b" \t\r\n"
_DER_SEQUENCE = 0x30
_BEGIN = b"-----BEGIN "
_DASHES = b"-----"
_LABELS = frozenset({b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"})


def decode_body(body: bytes) -> bytes:
    """The octets (hopefully DER) of the one request that a body carries.

    Raises:
        RequestMalformed: ``empty``, ``not_base64``, ``not_pkcs10`` (PEM of something
            else), ``trailing_bytes`` (something after the PEM block).
    """
    # DER starts with the octet 30, the digit 0. Base64 of DER starts with M, so no
    # text is mistaken for DER, and DER is never searched for dashes.
    if body[:1] == b"\x30":
        return body
    begin = body.find(_BEGIN)
    if begin >= 0:
        return _decode_base64(_open_pem(body, begin))
    return _decode_base64(body)


def is_single_line(body: bytes) -> bool:
    """Whether a request came as base64 in one line (est §6, ``BASE64=auto``).

    Its sender may be one that reads no folded answer.
    """
    if body[:1] == b"\x30":
        return False
    text = body.strip(_WHITESPACE)
    return b"\n" not in text and b"\r" not in text


def encode_base64(data: bytes, *, wrapped: bool) -> bytes:
    """Base64 with LF only: folded at 64 columns, or one line; always a final LF."""
    if not wrapped:
        return binascii.b2a_base64(data)
    text = binascii.b2a_base64(data, newline=False)
    return b"\n".join([text[at : at + LINE] for at in range(0, len(text), LINE)]) + b"\n"


def strict_base64(packed: bytes) -> bytes:
    """The octets of base64 without any whitespace (RFC 4648 §4).

    Raises:
        ValueError: another alphabet, missing or superfluous padding.
    """
    # The library overlooks padding after a group that is already whole.
    if len(packed) % 4 or packed.endswith(b"==="):
        raise ValueError("wrong padding")
    return binascii.a2b_base64(packed, strict_mode=True)


def _open_pem(body: bytes, begin: int) -> bytes:
    """The base64 between the lines of the first PEM block, which must be the only one."""
    start = begin + len(_BEGIN)
    label_end = body.find(_DASHES, start)
    label = body[start:label_end] if label_end >= 0 else b""
    if label not in _LABELS:
        raise RequestMalformed("not_pkcs10", f"PEM of {label[:40].decode('latin-1')!r}")
    text = label_end + len(_DASHES)
    end_line = b"-----END " + label + _DASHES
    end = body.find(end_line, text)
    if end < 0:
        raise RequestMalformed("not_base64", "PEM without its END line")
    if body[end + len(end_line) :].strip(_WHITESPACE):
        raise RequestMalformed("trailing_bytes", "after the PEM block")
    return body[text:end]


def _decode_base64(text: bytes) -> bytes:
    packed = text.translate(None, _WHITESPACE)
    if not packed:
        raise RequestMalformed("empty")
    try:
        return strict_base64(packed)
    except ValueError as err:
        raise RequestMalformed("not_base64", str(err)) from err
