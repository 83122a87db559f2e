"""What a change puts in the place of something else: tags, OIDs, contents, times, lengths
that lie, and pieces of HTTP. Values at the edges of what some decoder decides.
"""

from __future__ import annotations

from certctl.wire.der import encode_oid

TAGS = bytes.fromhex("0102030405060a0c12131416171a1c1e30318081828384868788a0a1a2a3a41f3f00ff")

OIDS = [
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

CONTENTS = (
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

TIMES = (
    (0x17, b"991231235959Z"),
    (0x17, b"500101000000Z"),
    (0x18, b"00000101000000Z"),
    (0x18, b"00010101000000Z"),
    (0x18, b"19691231235959Z"),
    (0x18, b"20500101000000Z"),
    (0x18, b"20260229000000Z"),
    (0x18, b"99991231235959Z"),
)

HTTP = (
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

LIES = (
    b"\x80",
    b"\x81\x01",
    b"\x82\x00\x7f",
    b"\x84\xff\xff\xff\xff",
    b"\x85\x01\x00\x00\x00\x00",
)
