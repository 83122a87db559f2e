"""The TLS engine behind one small class, so that another can take its place.

OpenSSL over a non-blocking socket, called without pyOpenSSL's objects in between: these
are among the most often executed lines of the server (adr/0016). It must never judge a
certificate.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final, NoReturn

from OpenSSL import SSL

from certctl.domain.connection import TLSInfo
from certctl.tls.library import NULL, ffi, first_reason, handle, lib


class EngineFailure(Exception):
    """Root of all of the below; by itself: the peer broke TLS and was sent an alert.

    ``str`` is OpenSSL's short text for it, such as ``unsupported protocol``.
    """


class WantRead(EngineFailure):
    """The engine waits for bytes from the peer."""


class WantWrite(EngineFailure):
    """The engine waits for room in the socket."""


class PeerClosed(EngineFailure):
    """The peer sent close_notify or ended its side of TCP: it sends nothing more."""

    def __init__(self) -> None:
        super().__init__("closed by peer")


class PeerVanished(EngineFailure):
    """The TCP connection is gone (reset, unreachable)."""


_EXPORTER_LABEL: Final = b"EXPORTER-Channel-Binding"
_EXPORTER_OCTETS: Final = 32
_LONGEST_FINISHED: Final = 64  # EVP_MAX_MD_SIZE

_WANT_READ: Final = lib.SSL_ERROR_WANT_READ
_WANT_WRITE: Final = lib.SSL_ERROR_WANT_WRITE
_ENDED: Final = lib.SSL_ERROR_ZERO_RETURN
_SYSTEM: Final = lib.SSL_ERROR_SYSCALL

# Before each call that may fail: OpenSSL before 4.0 takes an error that somebody else's call
# has left in this thread for its own, and a record that is not whole yet for a broken one.
_forget_errors: Final = lib.ERR_clear_error
_do_handshake: Final = lib.SSL_do_handshake
_read: Final = lib.SSL_read
_write: Final = lib.SSL_write
# Without zeroing: what is read is written first.
_octets: Final = ffi.new_allocator(should_clear_after_alloc=False)


class TLSEngine:
    """One TLS connection, server side.

    Its methods raise the exceptions above. After ``WantRead`` or ``WantWrite``, ``write``
    must be called again with the same bytes (more may follow them).
    """

    __slots__ = ("_ssl",)

    def __init__(self, context: SSL.Context, sock: socket.socket) -> None:
        """``sock`` must stay open for as long as this lives; OpenSSL does not close it.

        Raises:
            MemoryError: OpenSSL has none left.
        """
        ssl = lib.SSL_new(handle(context))
        if ssl == NULL:
            raise MemoryError
        self._ssl: Any = ffi.gc(ssl, lib.SSL_free)
        if lib.SSL_set_fd(ssl, sock.fileno()) != 1:
            raise MemoryError
        lib.SSL_set_accept_state(ssl)

    def handshake(self) -> None:
        """Go on with the handshake; it is done when this returns."""
        _forget_errors()
        result = _do_handshake(self._ssl)
        if result != 1:
            self._fail(result)

    def read(self, size: int) -> bytes:
        """What has been decrypted, at least one and at most ``size`` octets."""
        octets = _octets("char[]", size)
        _forget_errors()
        result = _read(self._ssl, octets, size)
        if result <= 0:
            self._fail(result)
        return bytes(ffi.buffer(octets, result))

    def write(self, data: bytes | memoryview) -> int:
        """Encrypt and send; gives how many octets of ``data``, which is not empty, went."""
        _forget_errors()
        result = _write(self._ssl, ffi.from_buffer(data), len(data))
        if result <= 0:
            self._fail(result)
        return int(result)

    def pending(self) -> int:
        """Octets that are decrypted and unread."""
        return int(lib.SSL_pending(self._ssl))

    def close_notify(self) -> None:
        """Send close_notify; may raise WantWrite and be called again."""
        _forget_errors()
        result = lib.SSL_shutdown(self._ssl)
        if result < 0:
            self._fail(result)

    @property
    def tls12(self) -> bool:
        """After the handshake: it speaks TLS 1.2, the only other version there is."""
        return bool(lib.SSL_version(self._ssl) != SSL.TLS1_3_VERSION)

    def info(self) -> TLSInfo:
        """What the application learns about this connection.

        Without extended master secret a man in the middle can give two TLS 1.2
        connections the same master secret and so the same binding (RFC 7627 §1); such
        a connection has none.
        """
        ssl = self._ssl
        old = self.tls12
        bindable = not old or lib.SSL_get_extms_support(ssl) == 1
        return TLSInfo(
            version=ffi.string(lib.SSL_get_version(ssl)).decode("ascii"),
            exporter=self._exporter() if bindable else None,
            # The client's is the first Finished: nothing is resumed or renegotiated here.
            tls_unique=self._peer_finished() if old and bindable else None,
            peer_chain=self._peer_chain(),
        )

    def _exporter(self) -> bytes:
        octets = ffi.new("unsigned char[]", _EXPORTER_OCTETS)
        # On TLS 1.2 an empty context is another value than none (RFC 5705 §4).
        done = lib.SSL_export_keying_material(
            self._ssl, octets, _EXPORTER_OCTETS, _EXPORTER_LABEL, len(_EXPORTER_LABEL), b"", 0, 1
        )
        if done != 1:
            raise EngineFailure(first_reason())
        return bytes(ffi.buffer(octets))

    def _peer_finished(self) -> bytes:
        octets = ffi.new("unsigned char[]", _LONGEST_FINISHED)
        size = lib.SSL_get_peer_finished(self._ssl, octets, _LONGEST_FINISHED)
        return bytes(ffi.buffer(octets, size))

    def _peer_chain(self) -> tuple[bytes, ...]:
        """Certificates that the client showed (DER), its own first."""
        leaf = lib.SSL_get_peer_certificate(self._ssl)
        if leaf == NULL:
            return ()
        first = _der(ffi.gc(leaf, lib.X509_free))
        # On the server OpenSSL's peer chain leaves the leaf out.
        others = lib.SSL_get_peer_cert_chain(self._ssl)
        count = 0 if others == NULL else lib.sk_X509_num(others)
        return (first, *[_der(lib.sk_X509_value(others, place)) for place in range(count)])

    def _fail(self, result: int) -> NoReturn:
        """Raise what ``result`` of the last call means."""
        system = ffi.errno
        code = lib.SSL_get_error(self._ssl, result)
        if code == _WANT_READ:
            raise WantRead
        if code == _WANT_WRITE:
            raise WantWrite
        if code == _ENDED:
            raise PeerClosed
        if code == _SYSTEM:
            lib.ERR_clear_error()
            raise PeerVanished(errno.errorcode.get(system, "Unexpected EOF"))
        raise EngineFailure(first_reason() or "unknown")


def _der(certificate: Any) -> bytes:
    """A certificate as it was sent: OpenSSL keeps the encoding that it has read."""
    memory = ffi.gc(lib.BIO_new(lib.BIO_s_mem()), lib.BIO_free)
    if lib.i2d_X509_bio(memory, certificate) != 1:
        raise EngineFailure(first_reason())
    start = ffi.new("char **")
    size = lib.BIO_get_mem_data(memory, start)
    return bytes(ffi.buffer(start[0], size))
