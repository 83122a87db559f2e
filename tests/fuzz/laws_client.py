"""What must hold for any octets with which a server answers our own client.

A server may be anything: whatever it sends ends in an answer or in ``BadAnswer``, and what a
person is shown of it is short and printable.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding

from certctl.client.address import Address
from certctl.client.answers import certificates_in, octets_of, server_made
from certctl.client.failures import MOST_CHARACTERS, MOST_LINES, BadAnswer, ClientFailure
from certctl.client.http import Answer, exchange
from certctl.client.tls import TlsConnection
from tests.fuzz.laws_wire import MAX_NOTE

MAX_COMPARED = 4_000
"""Octets. Longer ones are not read octet by octet: that costs the square of their number."""

_HERE = Address(host="est.example", port=443)


def answers(data: bytes) -> None:
    """A first line as Content-Type, and a body: of each kind that there is."""
    head, _, body = data.partition(b"\n")
    # RFC 9112 §5: neither can be in a field; h11 takes none with them.
    head = head.replace(b"\r", b" ").replace(b"\0", b" ")
    answer = Answer(
        status=200,
        headers={"content-type": head.decode("latin-1"), "x-request-id": head.decode("latin-1")},
        body=body,
    )
    check_refused(answer.refused("simpleenroll"))
    try:
        found = certificates_in(body, "cacerts")
    except BadAnswer as bad:
        check_refused(bad)
    else:
        octets = octets_of(body, "cacerts")
        assert found
        assert all(each.public_bytes(Encoding.DER) in octets for each in found)
    try:
        made = server_made(answer)
    except BadAnswer as bad:
        check_refused(bad)
    else:
        assert made.key
        assert made.certificates


def check_refused(failure: ClientFailure) -> None:
    lines = failure.lines()
    assert len(lines) <= MOST_LINES + 3
    for line in lines:
        assert line.isprintable(), f"unprintable {line!r}"
        assert len(line) <= max(MAX_NOTE, MOST_CHARACTERS)


@dataclass(slots=True)
class _Said:
    """A connection on which the server has said all it will: pieces, then its end."""

    pieces: list[bytes]

    def sendall(self, data: bytes) -> None:
        assert data.startswith(b"GET /cacerts HTTP/1.1\r\n")

    def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def http_answer(data: bytes) -> None:
    """The same answer in whatever pieces it comes."""
    whole = _heard([data] if data else [])
    for size in (1, 7):
        if len(data) > MAX_COMPARED:
            return
        cut = _heard([data[at : at + size] for at in range(0, len(data), size)])
        assert cut == whole, f"in pieces of {size}: {cut} and not {whole}"


def _heard(pieces: list[bytes]) -> Answer | None:
    connection = cast("TlsConnection", _Said(pieces))
    with suppress(BadAnswer):
        answer = exchange(connection, _HERE, method="GET", path="/cacerts", headers={})
        assert 200 <= answer.status <= 999
        assert all(name == name.lower() for name in answer.headers)
        assert answer.retry_after is None or answer.retry_after >= 0
        check_refused(answer.refused("cacerts"))
        return answer
    return None
