"""One TLS connection of a client, whose exporter a CSR can be bound to (RFC 9266).

pyOpenSSL, because the standard library gives no exporter. The peer is verified by OpenSSL:
path, validity and name (RFC 9525) in one. What it finds wrong is told in words; the doctor
takes the same findings without ending the connection.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib

from certctl.client.address import Address
from certctl.client.failures import BadInput, Silent, TlsFailed, Unreachable
from certctl.domain.plain_text import shown
from certctl.wire.unreadable import UNREADABLE, quiet

TIMEOUT_SECONDS = 30.0
EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
EXPORTER_OCTETS = 32

Codes = SSL.X509VerificationCodes
T = TypeVar("T")

_WORDS = {
    Codes.ERR_CERT_HAS_EXPIRED: ("has expired", "Have the operator renew it."),
    Codes.ERR_CERT_NOT_YET_VALID: ("is not valid yet", "Set this machine's clock."),
    Codes.ERR_HOSTNAME_MISMATCH: ("is not for {host}", "Use a name that stands in it."),
    Codes.ERR_IP_ADDRESS_MISMATCH: ("is not for {host}", "Use a name that stands in it."),
}
_UNTRUSTED = (
    "is of a CA that is not trusted here",
    "Give the server's CA with --ca-bundle or CERTCTL_SERVER_CA_BUNDLE_PATH.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client certificate (PEM, with its chain) and its private key (PEM, unencrypted)."""

    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Which CAs a server may be of: a PEM file, or those of the system.

    Without ``verify`` anybody can be the server; for a trial, and for the doctor.
    """

    ca_file: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The oldest and the newest TLS to offer, and how weak its algorithms may be."""

    oldest: int = SSL.TLS1_2_VERSION
    newest: int = SSL.TLS1_3_VERSION
    anything: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What OpenSSL found wrong with the peer: its code, and at which depth of the path."""

    code: int
    depth: int


_CERTIFICATE_ALERT = (
    "It judges client certificates in the TLS handshake. Show one that it takes (--cert, --key);"
    " for cacerts it should ask for none (RFC 7030 §4.1.1)."
)


class TlsConnection:
    """Connected and verified. Use as a context manager; every wait ends by ``deadline``."""

    def __init__(self, tls: SSL.Connection, plain: socket.socket, deadline: float) -> None:
        self._tls = tls
        self._plain = plain
        self._deadline = deadline
        self.faults: tuple[Fault, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def version(self) -> str:
        """``TLSv1.3`` and the like."""
        return self._tls.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        return self._tls.get_cipher_name() or ""

    @property
    def group(self) -> str:
        """The key exchange, as OpenSSL names it; empty where it cannot tell."""
        return self._tls.get_group_name() or ""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What the server sent, its own certificate first.

        Raises:
            TlsFailed: a certificate that cannot be read.
        """
        try:
            with quiet():
                return tuple(self._tls.get_peer_cert_chain(as_cryptography=True) or ())
        except UNREADABLE as err:
            raise TlsFailed(f"The server's certificate cannot be read: {err}.") from err

    def exporter(self) -> bytes:
        """tls-exporter of this connection (RFC 9266 §2), 32 octets.

        Raises:
            TlsFailed: TLS 1.2, where the exporter is not safe to bind to without more.
        """
        if self.version != "TLSv1.3":
            raise TlsFailed(
                f"The server speaks {self.version}; a CSR is bound on TLS 1.3.",
                "Ask it on its TLS 1.3 port, or leave out --bind.",
            )
        return self._tls.export_keying_material(EXPORTER_LABEL, EXPORTER_OCTETS, b"")

    def sendall(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            Unreachable: the connection broke, or the time was over.
            TlsFailed: the server ended it with an alert.
        """
        view = memoryview(data)
        while view:
            view = view[self._shaken(lambda: self._tls.send(bytes(view[:16_384]))) :]  # noqa: B023

    def receive(self) -> bytes:
        """Some octets; empty at the end.

        Raises:
            Unreachable: as above.
            TlsFailed: as above.
        """
        try:
            return self._shaken(lambda: self._tls.recv(65_536))
        except _Ended:
            return b""

    def close(self) -> None:
        with contextlib.suppress(SSL.Error):
            self._tls.shutdown()
        self._plain.close()

    def handshake(self) -> None:
        """Raises: SSL.Error, Unreachable."""
        self._drive(self._tls.do_handshake)

    def _shaken(self, step: Callable[[], T]) -> T:
        """A step behind the handshake. With TLS 1.3 ours is over before the server has
        judged our certificate: what it says of that comes here (RFC 8446 §4.4.2.4).
        """
        try:
            return self._drive(step)
        except SSL.Error as err:
            reason = first_reason(err)
            raise TlsFailed(
                f"The server ended the TLS connection: {reason}.",
                _CERTIFICATE_ALERT if "certificate" in reason or "unknown ca" in reason else "",
            ) from err

    def _drive(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except SSL.WantReadError:
                self._wait(for_read=True)
            except SSL.WantWriteError:
                self._wait(for_read=False)
            except SSL.ZeroReturnError as err:
                raise _Ended from err
            except SSL.SysCallError as err:
                if err.args[0] == -1:
                    raise _Ended from err
                raise Unreachable(
                    f"The connection broke: {err.args[-1]}.",
                    "Try again. A server that insists on a client certificate may end it so, too.",
                ) from err

    def _wait(self, *, for_read: bool) -> None:
        left = self._deadline - time.monotonic()
        sockets = [self._plain]
        ready = left > 0 and any(
            select.select(sockets if for_read else [], [] if for_read else sockets, [], left)
        )
        if not ready:
            raise Silent(
                "The server did not answer in time.", "Try again; ask its operator if it stays so."
            )


class _Ended(Unreachable):
    """The peer closed the connection."""

    def __init__(self) -> None:
        super().__init__("The server closed the connection.", "Try again.")


def connect(
    address: Address,
    *,
    trust: Trust,
    identity: Identity | None = None,
    versions: Versions | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> TlsConnection:
    """Connect and verify; the time is for the whole of the connection.

    Raises:
        Unreachable: no TCP connection.
        TlsFailed: no handshake, or a server that is not who it should be.
        BadInput: the CA file or the identity cannot be used.
    """
    faults: list[Fault] = []
    context = _context(trust, identity, versions or Versions())

    def judge(_c: SSL.Connection, _x: crypto.X509, code: int, depth: int, good: int) -> bool:
        if not good:
            faults.append(Fault(code, depth))
        # A server that is not trusted must not even see our certificate. Only who verifies
        # nothing goes on, and learns of every fault.
        return bool(good) or not trust.verify

    context.set_verify(SSL.VERIFY_PEER, judge)
    deadline = time.monotonic() + timeout
    try:
        plain = socket.create_connection((address.host, address.port), timeout=timeout)
    except (OSError, UnicodeError) as err:
        reason = getattr(err, "strerror", None) or str(err)
        raise Unreachable(
            f"{shown(address.host)}, port {address.port}, cannot be reached: {reason}.",
            "Check the name, the port and the network.",
        ) from err
    try:
        plain.setblocking(False)
        tls = SSL.Connection(context, plain)
        _expect(tls, address)
        tls.set_connect_state()
        connection = TlsConnection(tls, plain, deadline)
        _shake_hands(connection, address, faults)
        connection.faults = tuple(faults)
    except BaseException:
        plain.close()
        raise
    return connection


def fault_words(faults: Sequence[Fault], address: Address) -> tuple[str, str]:
    """The worst of the faults and its remedy; the server's own certificate is named so."""
    known = [each for each in faults if each.code in _WORDS]
    # An unknown CA makes the rest hearsay.
    untrusted = [each for each in faults if each.code not in _WORDS]
    worst = (untrusted or known)[0]
    text, remedy = _WORDS.get(worst.code, _UNTRUSTED)
    whose = "The server's certificate" if worst.depth == 0 or untrusted else "A CA of the server"
    detail = f" ({verify_text(worst.code)})" if untrusted else ""
    return f"{whose} {text.format(host=shown(address.host))}{detail}.", remedy


def verify_text(code: int) -> str:
    """OpenSSL's own sentence for a verification code."""
    return str(ffi.string(lib.X509_verify_cert_error_string(code)).decode())


def _shake_hands(connection: TlsConnection, address: Address, faults: list[Fault]) -> None:
    try:
        connection.handshake()
    except _Ended as err:
        raise TlsFailed(
            "The server closed the connection during the TLS handshake.",
            "Is it TLS on that port? A server may also insist on a client certificate.",
        ) from err
    except SSL.Error as err:
        if faults and first_reason(err) == "certificate verify failed":
            raise TlsFailed(*fault_words(faults, address)) from err
        raise TlsFailed(
            f"No TLS connection: {first_reason(err)}.",
            "Compare the TLS versions and client certificates that the server takes.",
        ) from err


def first_reason(err: Exception) -> str:
    """OpenSSL's first sentence of an error."""
    queue = err.args[0] if err.args else ()
    return str(queue[0][-1]) if isinstance(queue, list) and queue else type(err).__name__


def _expect(tls: SSL.Connection, address: Address) -> None:
    """Who the certificate must be for (RFC 9525); pyOpenSSL has no public call for it."""
    host = address.host.encode("idna") if not address.host.isascii() else address.host.encode()
    parameters = lib.SSL_get0_param(tls._ssl)
    if address.is_ip:
        packed = socket.inet_pton(
            socket.AF_INET6 if b":" in host else socket.AF_INET, host.decode()
        )
        done = lib.X509_VERIFY_PARAM_set1_ip(parameters, packed, len(packed))
    else:
        tls.set_tlsext_host_name(host)
        # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
        lib.X509_VERIFY_PARAM_set_hostflags(parameters, 0x4 | 0x20)
        done = lib.X509_VERIFY_PARAM_set1_host(parameters, host, len(host))
    if done != 1:
        raise TlsFailed("This build of OpenSSL cannot check the server's name.")


def _context(trust: Trust, identity: Identity | None, versions: Versions) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(versions.oldest)
    context.set_max_proto_version(versions.newest)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    if versions.anything:
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
    try:
        if trust.ca_file is not None:
            context.load_verify_locations(str(trust.ca_file))
        else:
            context.set_default_verify_paths()
    except SSL.Error as err:
        raise BadInput(
            f"The CA file {trust.ca_file} cannot be used: {first_reason(err)}.",
            "It must hold certificates in PEM.",
        ) from err
    if identity is not None:
        _present(context, identity)
    return context


def _present(context: SSL.Context, identity: Identity) -> None:
    try:
        leaf, *chain = x509.load_pem_x509_certificates(identity.certificate_file.read_bytes())
        key = load_pem_private_key(identity.key_file.read_bytes(), None)
        context.use_certificate(leaf)
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.check_privatekey()
        for issuer in chain:
            context.add_extra_chain_cert(issuer)
    except (SSL.Error, crypto.Error, OSError, ValueError, TypeError, UnsupportedAlgorithm) as err:
        # The texts of some of these quote what they read; only OpenSSL's own are passed on.
        reason = first_reason(err) if isinstance(err, SSL.Error) else type(err).__name__
        raise BadInput(
            f"{identity.certificate_file} and {identity.key_file} cannot be used: {reason}.",
            "Both must be PEM, the key unencrypted and that of the certificate.",
        ) from err
