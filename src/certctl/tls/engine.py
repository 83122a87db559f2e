"""The TLS engine behind one small class, so that another can take its place.

Wraps pyOpenSSL over a non-blocking socket. Nothing outside this module and
``context.py`` names OpenSSL. It must never judge a certificate.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.bindings.openssl.binding import Binding
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

# pyOpenSSL has no public call for it. Where this private one is gone, TLS 1.2 has no
# channel binding: that refuses requests, and lets none pass.
_EXTENDED_MASTER_SECRET: Final = getattr(Binding().lib, "SSL_get_extms_support", None)


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

    @property
    def tls12(self) -> bool:
        """After the handshake: it speaks TLS 1.2, the only other version there is."""
        return self._connection.get_protocol_version() != SSL.TLS1_3_VERSION

    def info(self) -> TLSInfo:
        """What the application learns about this connection.

        Without extended master secret a man in the middle can give two TLS 1.2
        connections the same master secret and so the same binding (RFC 7627 §1); such
        a connection has none.
        """
        connection = self._connection
        old = self.tls12
        bindable = not old or _has_extended_master_secret(connection)
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
            # On TLS 1.2 an empty context is another value than none (RFC 5705 §4).
            exporter=connection.export_keying_material(_EXPORTER_LABEL, _EXPORTER_OCTETS, b"")
            if bindable
            else None,
            # The client's is the first Finished: nothing is resumed or renegotiated here.
            tls_unique=connection.get_peer_finished() if old and bindable else None,
            peer_chain=chain,
        )


def _has_extended_master_secret(connection: SSL.Connection) -> bool:
    handle = getattr(connection, "_ssl", None)
    if _EXTENDED_MASTER_SECRET is None or handle is None:
        return False
    return bool(_EXTENDED_MASTER_SECRET(handle) == 1)


def failure_reason(err: EngineFailure) -> str:
    """OpenSSL's short name for a failure, such as ``unsupported protocol``."""
    if isinstance(err, PeerClosed):
        return "closed by peer"
    detail = err.args[0] if err.args else None
    if isinstance(detail, list) and detail:
        return str(detail[0][-1])
    return str(err.args[-1]) if err.args else "unknown"
