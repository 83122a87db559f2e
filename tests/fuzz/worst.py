"""The dearest inputs we can think of, each as large as a body may be, and what they cost:
``python -m tests.fuzz.worst`` prints a table of the best of five.

Fuzzing finds what breaks; what only costs time is found by asking each decoder for its
longest loop. The bound is 50 ms of one core for a body of 64 KiB.
"""

from __future__ import annotations

import base64
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

from certctl.domain.errors import Failure
from certctl.trust.name_text import name_text
from certctl.trust.presented import MAX_CERTIFICATE, read_presented, walk_presented
from certctl.trust.verify import ProfileTrust
from certctl.wire.basic import decode_basic
from certctl.wire.body import decode_body
from certctl.wire.der import BIT_STRING, DerError, encode, encode_oid, expect
from certctl.wire.extensions import decode_basic_constraints
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name
from certctl.wire.pkcs10 import decode_pkcs10, repetition_input, strip_challenges, verify_signature
from tests.fuzz.hierarchy import NOW_US, middle, root
from tests.fuzz.laws_trust import split
from tests.fuzz.targets import BODY_LIMIT, CORPUS
from tests.unit.wire import forge

ROOM = BODY_LIMIT - 512
"""Octets for the part that is made large; the rest of the request has the others."""

BOUND_MS = 50.0


def main() -> int:
    """0 when every case stays below the bound."""
    warnings.simplefilter("ignore")
    dearest = 0.0
    _say("| input | octets | time |\n|---|---|---|")
    for label, data, read in _cases():
        took = _best(lambda: read(data))  # noqa: B023 - used within this turn
        dearest = max(dearest, took)
        _say(f"| {label} | {len(data):,} | {took:.2f} ms |")
    return 0 if dearest < BOUND_MS else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _best(read: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        with suppress(Failure, DerError):
            read()
        times.append(time.perf_counter() - begin)
    return min(times) * 1000


def _enroll(data: bytes) -> None:
    """What a worker does with a body before anything is asked of policy."""
    csr = decode_pkcs10(decode_body(data))
    decode_name(csr.subject_der).text()
    if csr.san_der:
        decode_general_names(csr.san_der)
    repetition_input(csr)
    strip_challenges(csr)
    verify_signature(csr)


def _cases() -> Iterator[tuple[str, bytes, Callable[[bytes], object]]]:
    for label, data in (*_requests(), *_texts()):
        yield label, data, _enroll
    for label, data in _names(8 * 1024 - 16):  # longer ones are not read
        yield f"shown name of {label}", data, name_text
    lonely = b"\x30\x82" + ROOM.to_bytes(2, "big") + b"\x05\x00" * (ROOM // 2)
    yield "basicConstraints of NULLs alone", lonely, decode_basic_constraints
    token = base64.b64encode(b"u:" + b"\xff" * 12_000)
    yield "Basic credentials", b"Basic " + token, lambda data: decode_basic(data.decode("latin-1"))
    for label, data in _certificates():
        yield label, data, _read_anew
    trust = ProfileTrust([root()])
    for label, der in _certificates():
        chain = middle() + der * 3
        yield f"chain of 4: {label}", chain, lambda data: trust.verify(split(data), NOW_US)


def _read_anew(der: bytes) -> object:
    walk_presented.cache_clear()
    return read_presented.__wrapped__(der).credential()


def _requests() -> Iterator[tuple[str, bytes]]:
    null = b"\x05\x00"
    yield "one attribute of NULLs", forge.request(forge.attribute("1.2.3", null * (ROOM // 2)))
    each = forge.attribute("1.2.3", null)
    yield "attributes", forge.request(*[each] * (ROOM // len(each)))
    large = forge.attribute("1.2.3", null * 450)
    yield "64 attributes of many values", forge.request(*[large] * 64)
    yield (
        "a challenge of NULLs",
        forge.request(forge.attribute(forge.CHALLENGE, encode(0x0C, b"x" * ROOM))),
    )
    for label, value in (
        ("basicConstraints", encode(0x30, null * (ROOM // 2))),
        ("keyUsage", encode(BIT_STRING, b"\x00", b"\xff" * ROOM)),
        ("extendedKeyUsage", encode(0x30, encode_oid("1.2") * (ROOM // 3))),
        ("subjectAltName of empty names", encode(0x30, b"\x82\x00" * (ROOM // 2))),
        ("subjectAltName of 999 IPv6", encode(0x30, encode(0x87, b"\x20\x01" * 8) * 999)),
        ("subjectAltName of 999 otherNames", encode(0x30, _other_name() * 999)),
        ("subjectAltName of one name", encode(0x30, encode(0x82, b"a." * (ROOM // 2)))),
    ):
        oid = {"b": "2.5.29.19", "k": "2.5.29.15", "e": "2.5.29.37", "s": "2.5.29.17"}[label[0]]
        yield label, forge.request(forge.extensions(forge.extension(oid, value)))
    many = [forge.extension(f"1.2.{number}", b"") for number in range(ROOM // 12)]
    yield "extensions", forge.request(forge.extensions(*many))
    for label, name in _names(ROOM):
        yield f"subject of {label}", forge.request(subject=name)
    for bits in (16_384, (ROOM - 64) * 8):
        yield f"RSA key of {bits} bits", forge.request(spki=_rsa(bits, 65_537))
    yield "RSA exponent as long as the modulus", forge.request(spki=_rsa(8_192, (1 << 8_191) + 1))
    spki, algorithm = _rsa(8_192, (1 << 255) + 1), bytes.fromhex("300d06092a864886f70d01010b0500")
    proof = encode(BIT_STRING, b"\x00", b"\x7f" * 1_024)
    dear = encode(0x30, forge.info(spki=spki), algorithm, proof)
    yield "RSA verification of 8192 bits, exponent of 256", dear
    yield "nested 16,000 deep", forge.nested(16_000)


def _other_name() -> bytes:
    return encode(0xA0, encode_oid("1.2.3"), encode(0xA0, encode(0x0C, b"x" * 40)))


def _rsa(bits: int, exponent: int) -> bytes:
    modulus = (1 << bits) - 1
    numbers = [
        encode(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
        for number in (modulus, exponent)
    ]
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return encode(0x30, algorithm, encode(BIT_STRING, b"\x00", encode(0x30, *numbers)))


def _names(room: int) -> Iterator[tuple[str, bytes]]:
    one = encode(0x30, encode_oid("1.2"), b"\x0c\x00")
    rdn = encode(0x31, one)
    yield "RDNs", encode(0x30, rdn * (room // len(rdn)))
    members = sorted(
        encode(0x30, encode_oid(f"1.2.{number}"), b"\x0c\x00") for number in range(250)
    )
    full = encode(0x31, *members)
    yield "RDNs of 250 attributes", encode(0x30, full * (room // len(full)))
    control = encode(0x31, forge.attribute_value(forge.CN, "\x00" * room))
    yield "one value of NULs", encode(0x30, control)
    special = encode(0x31, forge.attribute_value(forge.CN, "," * room))
    yield "one value of commas", encode(0x30, special)
    opaque = encode(0x31, encode(0x30, encode_oid("1.2"), encode(0x04, b"x" * room)))
    yield "one value that is no string", encode(0x30, opaque)


def _texts() -> Iterator[tuple[str, bytes]]:
    der = (CORPUS / "csr" / "p256").read_bytes()
    text = base64.b64encode(der)
    yield "base64, one character a line", b"\r\n".join(text[at : at + 1] for at in range(len(text)))
    yield "white space around base64", (b" \t\r\n" * (ROOM // 4))[: ROOM - len(text)] + text
    yield "PEM headers without end", b"-----BEGIN " * (ROOM // 11)
    begin = b"-----BEGIN CERTIFICATE REQUEST-----\n"
    yield "BEGIN lines", begin * (ROOM // len(begin))
    yield "dashes", begin + b"-" * (ROOM - len(begin))
    yield "END lines almost", begin + b"-----END CERTIFICATE REQUEST----" * (ROOM // 33)


def _certificates() -> Iterator[tuple[str, bytes]]:
    """A genuine certificate with one part as large as a certificate may be."""
    der = middle()
    room = MAX_CERTIFICATE - 1_024
    start, _ = expect(der, 0, len(der), 0x30)
    tbs, tbs_end = expect(der, start, len(der), 0x30)
    rest = der[tbs_end:]
    inner = der[tbs:tbs_end]
    null = b"\x05\x00"
    yield "certificate with fields", encode(0x30, encode(0x30, inner, null * (room // 2)), rest)
    one = forge.extension("1.2", b"")
    many = encode(0xA3, encode(0x30, one * (room // len(one))))
    cut = inner.rindex(b"\xa3")
    yield "certificate with extensions", encode(0x30, encode(0x30, inner[:cut], many), rest)
    usages = forge.extension("2.5.29.37", encode(0x30, encode_oid("1.2") * (room // 3)))
    listed = encode(0xA3, encode(0x30, usages))
    yield "certificate with usages", encode(0x30, encode(0x30, inner[:cut], listed), rest)
    serial = encode(0x02, b"\x01" + b"\x00" * room)
    after = inner.index(b"\x30\x05")
    yield (
        "certificate with a serial",
        encode(0x30, encode(0x30, inner[:5], serial, inner[after:]), rest),
    )
    named = encode(0x30, encode(0x31, encode(0x30, encode_oid("1.2"), b"\x0c\x00")) * (room // 9))
    name_start = inner.rindex(b"\x30\x16\x31")
    name_end = name_start + 2 + inner[name_start + 1]
    wide = inner[:name_start] + named + inner[name_end:]
    yield "certificate with RDNs", encode(0x30, encode(0x30, wide), rest)
    broad = encode(0x30, encode(0x82, b"a.b") * (room // 5))
    names = encode(0xA3, encode(0x30, forge.extension("2.5.29.17", broad)))
    yield "certificate with SANs", encode(0x30, encode(0x30, inner[:cut], names), rest)


if __name__ == "__main__":
    sys.exit(main())
