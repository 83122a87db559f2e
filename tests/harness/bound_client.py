"""A device that makes its CSR after the handshake, bound to the connection it sends it on.

pyOpenSSL, because the standard library gives no exporter and no Finished messages. Also
what a hostile device needs: the values of the wrong end, and TLS 1.2 without extended
master secret.
"""

from __future__ import annotations

import base64
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from certctl.wire.der import OCTET_STRING, encode
from tests.harness.device import Device
from tests.harness.http import TIMEOUT_SECONDS
from tests.harness.raw import Conversation, new_source, open_tcp
from tests.harness.server import RunningServer
from tests.unit.wire import forge

CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
EST_IDENTITY_LINKING = "1.2.840.113549.1.9.16.2.58"
# Where clients of the original put the octets themselves; the OIDs belong to others.
OTP_CHALLENGE = "1.2.840.113549.1.9.16.2.56"
COMPRESSION = "1.2.840.113549.1.9.16.2.43"

LABEL = b"EXPORTER-Channel-Binding"
EXPORTER_OCTETS = 32
# OpenSSL's SSL_OP_NO_EXTENDED_MASTER_SECRET (RFC 7627), which pyOpenSSL does not name.
NO_EXTENDED_MASTER_SECRET = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to reach the server: the main port or another, up to which version of TLS."""

    port: int | None = None
    newest: int = SSL.TLS1_3_VERSION
    options: int = 0


class BoundClient(Conversation):
    """One connection, verified against the server's CA (or ``trusted``)."""

    def __init__(
        self,
        server: RunningServer,
        way: Way | None = None,
        *,
        device: Device | None = None,
        trusted: Path | None = None,
    ) -> None:
        way = way or Way()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(way.newest)
        context.set_options(way.options)
        context.load_verify_locations(str(trusted or server.ca_file))
        context.set_verify(SSL.VERIFY_PEER, lambda *given: bool(given[-1]))
        if device is not None:
            context.use_certificate_file(str(device.certificate_file))
            context.use_privatekey_file(str(device.key_file))
        self.source = new_source()
        self.plain = open_tcp(server, source=self.source, port=way.port)
        try:
            _wait_in_the_kernel(self.plain)
            self.tls = SSL.Connection(context, self.plain)
            self.tls.set_connect_state()
            self.tls.do_handshake()
        except BaseException:
            self.plain.close()
            raise
        super().__init__(_Stream(self.tls, self.plain))

    @property
    def exporter(self) -> bytes:
        """tls-exporter of this connection (RFC 9266)."""
        return self.tls.export_keying_material(LABEL, EXPORTER_OCTETS, b"")

    @property
    def tls_unique(self) -> bytes:
        """tls-unique of this connection (RFC 5929): our own Finished, sent first."""
        finished = self.tls.get_finished()
        assert finished is not None
        return finished


def as_text(oid: str, text: str | bytes) -> bytes:
    """An attribute (DER) that holds text, or octets in base64."""
    if isinstance(text, bytes):
        text = base64.b64encode(text).decode()
    return forge.attribute(oid, encode(forge.UTF8, text.encode()))


def as_octets(oid: str, octets: bytes) -> bytes:
    """An attribute (DER) that holds the octets themselves, as the original's clients do."""
    return forge.attribute(oid, encode(OCTET_STRING, octets))


def csr(common_name: str, *attributes: bytes) -> bytes:
    """A request (DER) for this name with these attributes."""
    return forge.request(*attributes, subject=forge.name((forge.CN, common_name)))


def _wait_in_the_kernel(plain: socket.socket) -> None:
    """OpenSSL works on the descriptor: it must block, and not for ever."""
    plain.setblocking(True)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", TIMEOUT_SECONDS, 0))


class _Stream:
    """pyOpenSSL's connection with the exceptions of a socket."""

    def __init__(self, tls: SSL.Connection, plain: socket.socket) -> None:
        self._tls = tls
        self._plain = plain

    def sendall(self, data: bytes, /) -> None:
        try:
            self._tls.sendall(data)
        except SSL.SysCallError as err:
            raise ConnectionError(str(err)) from err

    def recv(self, size: int, /) -> bytes:
        try:
            return self._tls.recv(size)
        except SSL.ZeroReturnError:
            return b""
        except SSL.WantReadError as err:
            raise TimeoutError from err
        except SSL.SysCallError as err:
            raise ConnectionError(str(err)) from err

    def close(self) -> None:
        self._plain.close()

    def fileno(self) -> int:
        return self._plain.fileno()
