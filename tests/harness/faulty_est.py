"""An EST server with planted faults: real TLS on loopback, answers as told, standard library."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certctl.wire.pkcs7 import certs_only

SECONDS = 20
PKCS7 = "application/pkcs7-mime"
Key = ec.EllipticCurvePrivateKey


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@dataclass
class Party:
    """A certificate with its key, and who issued it."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def certified(
    common_name: str,
    issuer: Party | None = None,
    *,
    days: tuple[float, float] = (-1, 365),
    ca: bool = False,
    sans: Sequence[x509.GeneralName] | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    more: Sequence[x509.ExtensionType] = (),
) -> Party:
    """Issued by ``issuer``, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + dt.timedelta(days=days[0]))
        .not_valid_after(now() + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not ca:
        names = [x509.DNSName("localhost")] if sans is None else list(sans)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    signer = issuer.key if issuer else key
    return Party(builder.sign(signer, hashes.SHA256()), key)


@dataclass(frozen=True)
class Said:
    """One answer; ``headers`` replace those that are usual."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


SILENCE = Said(0)
"""Takes the request, and then says nothing until the client has gone."""


def cas(*parties: Party, content_type: str = PKCS7) -> Said:
    body = base64.encodebytes(certs_only([each.der for each in parties]))
    return Said(200, body, {"Content-Type": content_type})


@dataclass
class FaultyServer:
    """Answers each path's last part from ``answers``: one answer, or one after the other."""

    leaf: Party
    chain: Sequence[Party]
    answers: dict[str, Said | list[Said]]
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    )
    ahead: dt.timedelta = dt.timedelta()
    issuer: Party | None = None
    clients: Party | None = None
    """The CA whose certificates it wants in the handshake."""
    silent: Container[int] = ()
    """The connections, counted from 1, that it takes and says nothing to."""
    connections: int = 0
    received: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self, directory: Path) -> Iterator[int]:
        """Gives the port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.versions
        if self.versions[0] < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")
        pem = directory / "faulty.pem"
        pem.write_bytes(
            self.leaf.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + b"".join(
                each.certificate.public_bytes(serialization.Encoding.PEM)
                for each in (self.leaf, *self.chain)
            )
        )
        context.load_cert_chain(pem)
        if self.clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(
                cadata=self.clients.certificate.public_bytes(serialization.Encoding.PEM).decode()
            )
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=self._serve, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # A thread that waits in accept() wakes by a shutdown, not by a close.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(SECONDS)

    def _serve(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            plain.settimeout(SECONDS)
            if self.connections in self.silent:
                with contextlib.suppress(OSError), plain:
                    _until_gone(plain)
                continue
            with (
                contextlib.suppress(OSError, ValueError),
                plain,
                context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as tls,
            ):
                _shake_hands(tls)
                self._answer(tls)

    def _answer(self, tls: ssl.SSLSocket) -> None:
        with tls.makefile("rb") as reader:
            line = reader.readline().decode()
            if not line.strip():
                return
            headers: dict[str, str] = {}
            while (field_line := reader.readline().decode().strip()) != "":
                name, _, value = field_line.partition(":")
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers.get("content-length", "0")))
        method, path, _ = line.split()
        self.received.append((f"{method} {path}", headers, body))
        planned = self.answers.get(path.rpartition("/")[2], Said(404))
        said = planned.pop(0) if isinstance(planned, list) else planned
        if said is SILENCE:
            _until_gone(tls)
            return
        if said.status == 200 and said.body == b"issue":
            said = Said(200, self._issued(body), {"Content-Type": PKCS7})
        usual = {
            "Content-Length": str(len(said.body)),
            "Connection": "close",
            "Date": format_datetime(now() + self.ahead, usegmt=True),
        }
        head = "".join(f"{k}: {v}\r\n" for k, v in (usual | dict(said.headers)).items() if v)
        tls.sendall(f"HTTP/1.1 {said.status} Said\r\n{head}\r\n".encode() + said.body)

    def _issued(self, body: bytes) -> bytes:
        """A certificate for the key of a request, of ``issuer``."""
        assert self.issuer is not None
        csr = x509.load_der_x509_csr(base64.b64decode(body))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(self.issuer.certificate.subject)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - dt.timedelta(minutes=5))
            .not_valid_after(now() + dt.timedelta(days=30))
            .sign(self.issuer.key, hashes.SHA256())
        )
        der = certificate.public_bytes(serialization.Encoding.DER)
        assert pkcs7.load_der_pkcs7_certificates(certs_only([der]))
        return base64.encodebytes(certs_only([der]))


def _until_gone(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _shake_hands(tls: ssl.SSLSocket) -> None:
    try:
        tls.do_handshake()
    except ssl.SSLError:
        # What the client has sent is read before the end: a reset would take our alert away.
        tls.shutdown(socket.SHUT_WR)
        while socket.socket.recv(tls, 65_536):
            pass
        raise
