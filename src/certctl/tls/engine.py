"""The TLS engine behind one small class, so that another can take its place.

Wraps pyOpenSSL over a non-blocking socket. Nothing outside this module and
``context.py`` names OpenSSL. It must never judge a certificate.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from OpenSSL import SSL, crypto

from certctl.domain.connection import TLSInfo

WantRead = SSL.WantReadError
"""The engine waits for bytes from the peer."""

WantWrite = SSL.WantWriteError
"""The engine waits for room in the socket."""

PeerClosed = SSL.ZeroReturnError
"""The peer sent close_notify or ended its side of TCP: it sends nothing more."""

PeerVanished = SSL.SysCallError
"""The TCP connection is gone (reset, unreachable)."""

EngineFailure = SSL.Error
"""Root of all of the above; by itself: the peer broke TLS and was sent an alert."""

_EXPORTER_LABEL: Final = b"EXPORTER-Channel-Binding"
_EXPORTER_OCTETS: Final = 32


class TLSEngine:
    """One TLS connection, server side.

    ``handshake()``, ``read(size) -> bytes`` and ``write(data) -> int`` raise the
    exceptions above; ``pending()`` counts what is decrypted and unread. They are bound
    methods of the wrapped object: a layer of Python per call would be paid with each
    record. After ``WantRead`` or ``WantWrite``, ``write`` must be called again with the
    same bytes (more may follow them).
    """

    __slots__ = ("_connection", "handshake", "pending", "read", "write")

    def __init__(self, context: SSL.Context, sock: socket.socket) -> None:
        connection = self._connection = SSL.Connection(context, sock)
        connection.set_accept_state()
        self.handshake: Callable[[], None] = connection.do_handshake
        self.pending: Callable[[], int] = connection.pending
        self.read: Callable[[int], bytes] = connection.recv
        self.write: Callable[[bytes | memoryview], int] = connection.send

    def close_notify(self) -> None:
        """Send close_notify; may raise WantWrite and be called again."""
        self._connection.shutdown()

    def info(self) -> TLSInfo:
        """What the application learns about this connection (RFC 9266 §4.2 exporter)."""
        connection = self._connection
        leaf = connection.get_peer_certificate()
        chain: tuple[bytes, ...] = ()
        if leaf is not None:
            # On the server OpenSSL's peer chain leaves the leaf out.
            issuers = connection.get_peer_cert_chain() or ()
            chain = tuple(
                crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
                for certificate in (leaf, *issuers)
            )
        return TLSInfo(
            version=connection.get_protocol_version_name(),
            exporter=connection.export_keying_material(_EXPORTER_LABEL, _EXPORTER_OCTETS, b""),
            peer_chain=chain,
        )


def failure_reason(err: EngineFailure) -> str:
    """OpenSSL's short name for a failure, such as ``unsupported protocol``."""
    if isinstance(err, PeerClosed):
        return "closed by peer"
    detail = err.args[0] if err.args else None
    if isinstance(detail, list) and detail:
        return str(detail[0][-1])
    return str(err.args[-1]) if err.args else "unknown"
