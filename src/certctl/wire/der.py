"""The little DER (X.690 §10) that the hot path reads and writes by itself.

Reading is for bytes that ``cryptography`` has already accepted as DER, plus the few
places where we look ourselves; every length is checked against its enclosing value,
so a lie ends in ``DerError``, never in a read past the end. Nothing here recurses:
depth cannot be attacked.
"""

from __future__ import annotations

from functools import lru_cache

SEQUENCE = 0x30
SET = 0x31
BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06

# A certificate request is bounded by EST_MAX_BODY; four octets of length are enough.
MAX_LENGTH_OCTETS = 4

MAX_CHILDREN = 256
"""No list that we take apart needs more; bounds the work on a hostile one."""


class DerError(ValueError):
    """Not DER, or a length that does not fit its enclosing value."""


def read(data: bytes, offset: int, end: int) -> tuple[int, int, int]:
    """Read one tag and length at ``offset`` inside ``data[:end]``.

    Returns (tag, start of content, end of content). Raises DerError for a multi-octet
    tag, an indefinite or non-minimal length, or a value that passes ``end``.
    """
    start = offset + 2
    if start > end:
        raise DerError("value cut off")
    tag = data[offset]
    if tag & 0x1F == 0x1F:
        raise DerError("multi-octet tag")
    length = data[offset + 1]
    if length >= 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= MAX_LENGTH_OCTETS:
            raise DerError("indefinite or oversized length")
        if start + octets > end:
            raise DerError("length cut off")
        length = int.from_bytes(data[start : start + octets], "big")
        if length < 0x80 or length >> (8 * (octets - 1)) == 0:
            raise DerError("length not minimal")
        start += octets
    stop = start + length
    if stop > end:
        raise DerError("value longer than its place")
    return tag, start, stop


def read_head(data: bytes, tag: int, offset: int = 0) -> tuple[int, int]:
    """Tag and length of a value whose content need not be at hand: (its start, its length).

    Raises:
        DerError: another tag, or a head that is cut off, indefinite or not minimal.
    """
    octets = data[offset + 1] & 0x7F if data[offset + 1 : offset + 2] >= b"\x80" else 0
    head = data[offset : offset + 2 + octets]
    start = offset + len(head)
    length = int.from_bytes(head[2:], "big") if octets else int.from_bytes(head[1:2], "big")
    if head[:1] != bytes((tag,)) or encode_head(tag, length) != head or octets > MAX_LENGTH_OCTETS:
        raise DerError(f"no head of a value with tag {tag:#04x}")
    return start, length


def expect(data: bytes, offset: int, end: int, tag: int) -> tuple[int, int]:
    """Like ``read`` but insists on ``tag``; returns (start, end) of the content."""
    start = offset + 2
    # Most values are short, and most of the time of a request's reading is spent here.
    if start <= end and data[offset] == tag and data[offset + 1] < 0x80:
        stop = start + data[offset + 1]
        if stop <= end:
            return start, stop
    found, start, stop = read(data, offset, end)
    if found != tag:
        raise DerError(f"tag {found:#04x} where {tag:#04x} belongs")
    return start, stop


def children(
    data: bytes, start: int, end: int, *, most: int = MAX_CHILDREN
) -> list[tuple[int, int, int, int]]:
    """All values in ``data[start:end]``: (tag, offset, start of content, end).

    Raises:
        DerError: not DER, or more than ``most`` values.
    """
    found: list[tuple[int, int, int, int]] = []
    while start < end:
        if len(found) == most:
            raise DerError(f"more than {most} values")
        tag, content, stop = read(data, start, end)
        found.append((tag, start, content, stop))
        start = stop
    return found


def encode(tag: int, *parts: bytes) -> bytes:
    """One value of the concatenated parts."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    if length < 0x100:
        return bytes((tag, 0x81, length)) + content
    if length < 0x10000:
        return bytes((tag, 0x82, length >> 8, length & 0xFF)) + content
    return encode_head(tag, length) + content


def encode_head(tag: int, length: int) -> bytes:
    """Tag and length alone, for content too large to be copied once more."""
    if length < 0x80:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def encode_integer(value: int) -> bytes:
    """INTEGER of a number that is not negative, tag included."""
    # One bit more than the number has, for the sign.
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def integer_octets(unsigned: bytes) -> bytes:
    """Content of the INTEGER of a big-endian number of any width, such as a serial."""
    shortest = unsigned.lstrip(b"\x00")
    return shortest if shortest and shortest[0] < 0x80 else b"\x00" + shortest


def read_unsigned(content: bytes) -> int:
    """The number of an INTEGER's content octets.

    Raises:
        DerError: negative, empty or not minimal.
    """
    if not content or content[0] & 0x80:
        raise DerError("INTEGER is empty or negative")
    if len(content) > 1 and content[0] == 0 and content[1] < 0x80:
        raise DerError("INTEGER not minimal")
    return int.from_bytes(content, "big")


def encode_set(tag: int, *parts: bytes) -> bytes:
    """A SET OF: members in DER order (X.690 §11.6)."""
    return encode(tag, *sorted(parts))


@lru_cache(maxsize=512)
def encode_oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER, tag included. Raises DerError when it is not an OID."""
    try:
        arcs = [int(arc) for arc in dotted.split(".")]
    except ValueError as err:
        raise DerError(f"not an object identifier: {dotted!r}") from err
    # int() also reads "01", "+1", " 1" and "1_0"; one OID has one text.
    canonical = ".".join(map(str, arcs)) == dotted
    if (
        not canonical
        or len(arcs) < 2
        or arcs[0] > 2
        or min(arcs) < 0
        or (arcs[0] < 2 and arcs[1] > 39)
    ):
        raise DerError(f"not an object identifier: {dotted!r}")
    octets = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = range((max(arc.bit_length(), 1) - 1) // 7, 0, -1)
        octets.extend(0x80 | (arc >> (7 * group) & 0x7F) for group in groups)
        octets.append(arc & 0x7F)
    return encode(OBJECT_IDENTIFIER, bytes(octets))


@lru_cache(maxsize=512)
def decode_oid(content: bytes) -> str:
    """Dotted form of an OBJECT IDENTIFIER's content octets.

    Bounded by the caller's body limit; results are cached for the well-known few, so
    only short ones are worth it: oversized ones are refused here (64 octets are more
    than any registered OID).
    """
    if not content or len(content) > 64 or content[-1] & 0x80:
        raise DerError("not an object identifier")
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in content:
        if fresh and octet == 0x80:
            raise DerError("object identifier not minimal")
        value = value << 7 | (octet & 0x7F)
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
