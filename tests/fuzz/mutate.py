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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from certctl.wire.der import encode
from tests.fuzz.words import CONTENTS, HTTP, LIES, OIDS, TAGS, TIMES

MAX_DEPTH = 24
MAX_NODES = 4_000
"""Beyond these an input is changed as octets: the tree would cost more than it finds."""

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")


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
    return data[:at] + chance.choice(HTTP) + data[max(at, until) :]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One value in a tree, where it stands, and what a change of it may draw on."""

    siblings: list[Node]
    at: int
    lists: list[list[Node]]
    pool: Sequence[bytes]
    chance: random.Random

    @property
    def node(self) -> Node:
        return self.siblings[self.at]


def _tree(roots: list[Node], pool: Sequence[bytes], chance: random.Random) -> bytes:
    lists = _lists(roots)
    siblings = chance.choice(lists)
    place = _Place(
        siblings=siblings,
        at=chance.randrange(len(siblings)),
        lists=lists,
        pool=pool,
        chance=chance,
    )
    if place.node.tag in (0x17, 0x18):
        place.node.tag, place.node.content = chance.choice(TIMES)
    else:
        chance.choice(_CHANGES)(place)
    if chance.random() < 0.3:
        _sort_sets(roots)
    return b"".join(root.der() for root in roots)


def _other_tag(place: _Place) -> None:
    place.node.tag = place.chance.choice(TAGS)


def _other_content(place: _Place) -> None:
    place.node.inner, place.node.content = None, place.chance.choice(CONTENTS)


def _changed_content(place: _Place) -> None:
    if place.node.inner is None:
        place.node.content = _octets(place.node.content, place.pool, place.chance)


def _left_out(place: _Place) -> None:
    del place.siblings[place.at]


def _doubled(place: _Place) -> None:
    many = place.chance.choice((1, 1, 9, 70))
    place.siblings[place.at : place.at] = [place.node.copy() for _ in range(many)]


def _shuffled(place: _Place) -> None:
    place.chance.shuffle(place.siblings)


def _sorted(place: _Place) -> None:
    place.siblings.sort(key=Node.der)


def _from_elsewhere(place: _Place) -> None:
    lender = place.chance.choice(place.chance.choice(place.lists))
    place.siblings.insert(place.chance.randint(0, len(place.siblings)), lender.copy())


def _borrowed(place: _Place) -> None:
    nodes = parse(place.chance.choice(place.pool)) if place.pool else None
    if nodes:
        lender = place.chance.choice(place.chance.choice(_lists(nodes)))
        place.siblings[place.at] = lender.copy()


def _wrapped_up(place: _Place) -> None:
    tag = place.chance.choice(b"\x30\x31\x04\xa0\xa3")
    place.siblings[place.at] = Node(tag, inner=[place.node])


def _unwrapped(place: _Place) -> None:
    if place.node.inner:
        place.siblings[place.at : place.at + 1] = place.node.inner


def _lying(place: _Place) -> None:
    nearly = bytes((len(place.node.content) + 1 & 0x7F,))
    place.node.length = place.chance.choice((*LIES, nearly))


def _other_oid(place: _Place) -> None:
    oids = [node for nodes in place.lists for node in nodes if node.tag == 0x06]
    if oids:
        place.chance.choice(oids).content = place.chance.choice(OIDS)


_CHANGES: tuple[Callable[[_Place], None], ...] = (
    _other_tag,
    _other_content,
    _changed_content,
    _left_out,
    _doubled,
    _shuffled,
    _sorted,
    _from_elsewhere,
    _borrowed,
    _wrapped_up,
    _unwrapped,
    _lying,
    _other_oid,
    _other_oid,
)


def _sort_sets(nodes: list[Node]) -> None:
    for node in nodes:
        if node.inner is not None:
            _sort_sets(node.inner)
            if node.tag in (0x31, 0xA0):
                node.inner.sort(key=Node.der)


def _octets(data: bytes, pool: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    at = chance.randint(0, len(data))
    match chance.randrange(8):
        case 0 if data:
            changed[at - 1] ^= 1 << chance.randrange(8)
        case 1 if data:
            changed[at - 1] = chance.randrange(256)
        case 2:
            changed[at:at] = chance.choice(CONTENTS)
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
            changed += chance.choice(CONTENTS)
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
