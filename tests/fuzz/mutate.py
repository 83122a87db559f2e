"""Inputs made from other inputs, with their structure known: DER as a tree, PEM and
base64 as wrapping around it, anything else as octets.

Flipping bits alone breaks a length and ends at the first check. So the tree is changed
and its lengths are mended, most of the time, and what was sorted may be sorted again.
Nothing here knows a decoder; the same (data, random) gives the same mutation.
"""

from __future__ import annotations

import binascii
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from certctl.wire.der import encode, encode_oid

MAX_DEPTH = 24
MAX_NODES = 4_000
"""Beyond these an input is changed as octets: the tree would cost more than it finds."""

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")

_TAGS = bytes.fromhex("0102030405060a0c12131416171a1c1e30318081828384868788a0a1a2a3a41f3f00ff")

_OIDS = [
    encode_oid(dotted)[2:]
    for dotted in (
        *("2.5.4.3", "2.5.4.5", "2.5.4.6", "2.5.4.10", "1.2.840.113549.1.9.1"),
        *("2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31"),
        *("2.5.29.35", "2.5.29.36", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.1"),
        *("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14", "1.2.840.113549.1.9.7"),
        *("1.2.840.113549.1.9.16.2.43", "1.2.840.113549.1.9.16.2.56"),
        *("1.2.840.113549.1.9.16.2.57", "1.2.840.113549.1.9.16.2.58"),
        *("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"),
        *("1.3.6.1.4.1.311.20.2.3", "1.3.6.1.5.5.7.8.4"),
        *("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.10"),
        *("1.2.840.113549.1.1.11", "1.2.840.10045.2.1", "1.2.840.10045.3.1.7"),
        *("1.2.840.10045.4.3.2", "1.3.101.112", "1.3.101.113", "2.16.840.1.101.3.4.3.17"),
        "2.999.18446744073709551616",
    )
]

_CONTENTS = (
    b"",
    b"\x00",
    b"\xff",
    b"\x01",
    b"\x80",
    b"\x00\x00",
    b"\x00\xff",
    b"\x05\xa0",
    b"\x07\x80",
    b"\xff" * 9,
    b"\x00" * 33,
    b"\x7f" + b"\xff" * 63,
    b"*.example.com",
    b"xn--80ak6aa92e.com",
    "\u202egpj.exe".encode(),
    b"a\x00b",
    b"a\r\nb",
    "p\u0430ypal".encode(),
    b"\xd8\x00\xdc\x00",
    b"\xd8\x00",
    b"=cmd|'/c'!A1",
    b"\x7f\x00\x00\x01",
    b"x" * 300,
)

_TIMES = (
    (0x17, b"991231235959Z"),
    (0x17, b"500101000000Z"),
    (0x18, b"00000101000000Z"),
    (0x18, b"00010101000000Z"),
    (0x18, b"19691231235959Z"),
    (0x18, b"20500101000000Z"),
    (0x18, b"20260229000000Z"),
    (0x18, b"99991231235959Z"),
)

_HTTP = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: +3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: Upgrade\r\nUpgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: b\r\n",
    b" HTTP/1.0\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"ffffffffffffffff\r\n",
)

_LIES = (b"\x80", b"\x81\x01", b"\x82\x00\x7f", b"\x84\xff\xff\xff\xff", b"\x85\x01\x00\x00\x00\x00")


@dataclass(slots=True)
class Node:
    """One value: ``inner`` when it was read as a list of values, else ``content``.

    ``prefix`` is what stands before the inner values of a BIT STRING. ``length`` replaces
    the length that the content has: a lie.
    """

    tag: int
    content: bytes = b""
    inner: list[Node] | None = None
    prefix: bytes = b""
    length: bytes | None = field(default=None)

    def der(self) -> bytes:
        content = self.content
        if self.inner is not None:
            content = self.prefix + b"".join(node.der() for node in self.inner)
        if self.length is not None:
            return bytes((self.tag,)) + self.length + content
        return encode(self.tag, content)

    def copy(self) -> Node:
        inner = None if self.inner is None else [node.copy() for node in self.inner]
        return Node(self.tag, self.content, inner, self.prefix, self.length)


def parse(data: bytes) -> list[Node] | None:
    """The values of which ``data`` is made, one after the other; None: not DER at all."""
    budget = [MAX_NODES]
    return _parse(data, 0, budget)


def mutate(data: bytes, pool: Sequence[bytes], chance: random.Random, *, longest: int) -> bytes:
    """One to four changes of ``data``; ``pool`` lends its parts. At most ``longest`` octets."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        data = _once(data, pool, chance)
    return data[:longest]


def _once(data: bytes, pool: Sequence[bytes], chance: random.Random) -> bytes:
    kind = chance.random()
    if b" HTTP/1." in data and kind < 0.6:
        return _message(data, chance)
    if kind < 0.15:
        return _octets(data, pool, chance)
    if b"-----BEGIN" in data and kind < 0.75:
        blocks = list(_PEM.finditer(data))
        if blocks:
            return _block(data, chance.choice(blocks), pool, chance)
    if len(data) > 8 and data[0] != 0x30 and kind < 0.75 and _BASE64.fullmatch(data):
        inside = _unpacked(data)
        if inside is not None:
            return _wrapped(_once(inside, pool, chance), chance)
    roots = parse(data)
    return _octets(data, pool, chance) if not roots else _tree(roots, pool, chance)


def _message(data: bytes, chance: random.Random) -> bytes:
    """Something of HTTP where a line ends, instead of nothing or of the line."""
    ends = [end.end() for end in re.finditer(rb"\r\n", data)] or [0]
    at = chance.choice(ends)
    until = chance.choice((at, at, chance.choice(ends)))
    return data[:at] + chance.choice(_HTTP) + data[max(at, until) :]


def _parse(data: bytes, depth: int, budget: list[int]) -> list[Node] | None:
    nodes: list[Node] = []
    offset = 0
    while offset < len(data):
        budget[0] -= 1
        if budget[0] < 0 or offset + 2 > len(data) or data[offset] & 0x1F == 0x1F:
            return None
        tag, length = data[offset], data[offset + 1]
        start = offset + 2
        if length >= 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[start : start + octets], "big")
            start += octets
            if not 1 <= octets <= 4:
                return None
        if start + length > len(data):
            return None
        nodes.append(_node(tag, data[start : start + length], depth, budget))
        offset = start + length
    return nodes


def _node(tag: int, content: bytes, depth: int, budget: list[int]) -> Node:
    # OCTET and BIT STRINGs hold DER in extensions and keys.
    prefix = content[:1] if tag == 0x03 else b""
    if content and depth < MAX_DEPTH and (tag & 0x20 or tag in (0x03, 0x04)):
        inner = _parse(content[len(prefix) :], depth + 1, budget)
        if inner:
            return Node(tag, inner=inner, prefix=prefix)
    return Node(tag, content)


def _lists(nodes: list[Node]) -> list[list[Node]]:
    found = [nodes] if nodes else []
    for node in nodes:
        if node.inner is not None:
            found += _lists(node.inner)
    return found


def _tree(roots: list[Node], pool: Sequence[bytes], chance: random.Random) -> bytes:
    lists = _lists(roots)
    siblings = chance.choice(lists)
    at = chance.randrange(len(siblings))
    node = siblings[at]
    match chance.randrange(14):
        case _ if node.tag in (0x17, 0x18):
            node.tag, node.content = chance.choice(_TIMES)
        case 0:
            node.tag = chance.choice(_TAGS)
        case 1:
            node.inner, node.content = None, chance.choice(_CONTENTS)
        case 2 if node.inner is None:
            node.content = _octets(node.content, pool, chance)
        case 3:
            del siblings[at]
        case 4:
            siblings.insert(at, node.copy())
        case 5:
            chance.shuffle(siblings)
        case 6:
            siblings[at] = _borrowed(pool, chance) or node
        case 7:
            lender = chance.choice(chance.choice(lists))
            siblings.insert(chance.randint(0, len(siblings)), lender.copy())
        case 8:
            siblings[at] = Node(chance.choice(b"\x30\x31\x04\xa0\xa3"), inner=[node])
        case 9 if node.inner:
            siblings[at : at + 1] = node.inner
        case 10:
            node.length = chance.choice((*_LIES, bytes((len(node.content) + 1 & 0x7F,))))
        case 11:
            siblings[at:at] = [node.copy() for _ in range(chance.choice((2, 9, 70)))]
        case 12:
            siblings.sort(key=Node.der)
        case _:
            _replace_oid(lists, chance)
    if chance.random() < 0.3:
        _sort_sets(roots)
    return b"".join(root.der() for root in roots)


def _replace_oid(lists: list[list[Node]], chance: random.Random) -> None:
    oids = [node for nodes in lists for node in nodes if node.tag == 0x06]
    if oids:
        chance.choice(oids).content = chance.choice(_OIDS)


def _sort_sets(nodes: list[Node]) -> None:
    for node in nodes:
        if node.inner is not None:
            _sort_sets(node.inner)
            if node.tag in (0x31, 0xA0):
                node.inner.sort(key=Node.der)


def _borrowed(pool: Sequence[bytes], chance: random.Random) -> Node | None:
    nodes = parse(chance.choice(pool)) if pool else None
    return chance.choice(chance.choice(_lists(nodes))).copy() if nodes else None


def _octets(data: bytes, pool: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    at = chance.randint(0, len(data))
    match chance.randrange(8):
        case 0 if data:
            changed[at - 1] ^= 1 << chance.randrange(8)
        case 1 if data:
            changed[at - 1] = chance.randrange(256)
        case 2:
            changed[at:at] = chance.choice(_CONTENTS)
        case 3:
            del changed[at : at + chance.choice((1, 2, 8, 64))]
        case 4:
            del changed[at:]
        case 5 if pool:
            other = chance.choice(pool)
            changed[at:] = other[chance.randint(0, len(other)) :]
        case 6:
            piece = changed[at : at + chance.choice((1, 4, 16, 256))]
            changed[at:at] = piece * chance.choice((1, 2, 30))
        case _:
            changed += chance.choice(_CONTENTS)
    return bytes(changed)


def _block(
    data: bytes, block: re.Match[bytes], pool: Sequence[bytes], chance: random.Random
) -> bytes:
    inside = _unpacked(block[2])
    if inside is None or chance.random() < 0.2:
        return _octets(data, pool, chance)
    if chance.random() < 0.15:
        return data[: block.end()] + b"\n" + block[0] + data[block.end() :]
    text = _wrapped(_once(inside, pool, chance), chance)
    return data[: block.start(2)] + text + data[block.end(2) :]


def _unpacked(text: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return None


def _wrapped(octets: bytes, chance: random.Random) -> bytes:
    width = chance.choice((64, 64, 76, 4, 1_000_000))
    line_end = chance.choice((b"\n", b"\n", b"\r\n", b"\r", b" \t\n"))
    text = binascii.b2a_base64(octets, newline=False)
    return line_end.join(text[at : at + width] for at in range(0, len(text), width)) + line_end
