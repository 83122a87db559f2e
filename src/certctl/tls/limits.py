"""The numbers that keep one peer from eating the server: times, sizes and counts.

Times are seconds; sizes are bytes. The times and caps of ``ConnectionLimits`` are set
by wiring (``MAX_CONNECTIONS`` and its kin, est.md §10); the constants are properties of
the protocol as we read it and stay the same for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_HEAD: Final = 16 * 1024
"""Request line and header fields together. A Basic header and a forwarded client
certificate chain fit; nothing an enrollment client sends is larger."""

MAX_HEADER_LINES: Final = 100
"""Browsers behind two proxies send about forty."""

MAX_URL: Final = 2 * 1024
"""Longest target we serve is an inventory query; EST paths stay under 100 bytes."""

MAX_CHUNK_FRAMING: Final = 64 * 1024
"""Chunk sizes, chunk extensions, leading zeros and trailers of one body. Allows about
13,000 chunks; without it a client could send framing for ever and never a body."""

MAX_PIPELINED: Final = 64
"""Requests waiting behind the one being answered. Reading pauses at the first that
waits, so only what shares its last record can come on top; more is an attack."""

BODY_HIGH_WATER: Final = 64 * 1024
"""Octets of a body that wait for the application before reading pauses."""

READ_SIZE: Final = 16 * 1024
"""One TLS record's plaintext at most, so that nothing decrypted stays in OpenSSL."""

READS_PER_WAKE: Final = 4
"""Records read in a row from one connection before the others get their turn."""

WRITES_PER_WAKE: Final = 16
"""Records written in a row to one connection before the others get their turn."""

WRITE_HIGH_WATER: Final = 64 * 1024
"""Unsent bytes above which the application is asked to wait."""

WRITE_LOW_WATER: Final = 16 * 1024
"""Unsent bytes below which it may go on."""

DRAIN_BYTES: Final = 4 * 1024 * 1024
"""Unwanted input swallowed after an early answer before we give up on the peer."""

STOP_LINGER_S: Final = 0.5
"""At shutdown, time for peers that were already answered to read their answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Caps and times of one listener (one process).

    Attributes:
        max_connections: open connections in all; further ones are closed at once.
        max_connections_per_source: the same per IPv4 address or IPv6 /64.
        max_body: request body after transfer decoding, bytes; more is 413.
        handshake_s: from accept to the end of the TLS handshake.
        header_s: from the first byte of a request to the end of its header.
        body_s: from the end of the header to the end of the body.
        idle_s: without any request begun.
        write_s: without the peer taking a single byte of an answer.
        drain_s: from our half-close to the peer's.
    """

    max_connections: int = 20_000
    max_connections_per_source: int = 2_000
    max_body: int = 1024 * 1024
    handshake_s: float = 10.0
    header_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    write_s: float = 30.0
    drain_s: float = 5.0
