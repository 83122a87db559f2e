"""A connection without TLS, with the face of the TLS engine.

For what is signed itself and must be had without TLS: to fetch a CRL over TLS, its reader
would first need the status of the server's certificate (RFC 5280 §8). With it, caps,
time limits and clean ends are those of every other connection.
"""

from __future__ import annotations

import socket
from typing import Final

from certctl.tls.engine import PeerClosed, PeerVanished, WantRead, WantWrite

NOTHING: Final = 0


class PlainEngine:
    """See ``engine.TLSEngine`` for what each method promises."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    tls12: Final = False

    def handshake(self) -> None:
        """There is none."""

    def pending(self) -> int:
        return NOTHING

    def read(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size)
        except (BlockingIOError, InterruptedError):
            raise WantRead from None
        except OSError as err:
            raise PeerVanished(err.strerror) from err
        if not data:
            raise PeerClosed
        return data

    def write(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            raise WantWrite from None
        except OSError as err:
            raise PeerVanished(err.strerror) from err

    def close_notify(self) -> None:
        """The end of our side of TCP says it all."""

    def info(self) -> None:
        """Nothing is known of a peer without TLS."""
