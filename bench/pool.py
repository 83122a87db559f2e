"""Pools of requests for the load generator, one fresh key and CSR each.

A server answers the same request with the same certificate, so no CSR may be
used twice against one server: `Pool.next` remembers how far it is used up.
The file format stands in ``c/pool.h``.
"""

from __future__ import annotations

import base64
import multiprocessing
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

BASE64_COLUMNS = 64
CHUNK = 500
LENGTH = struct.Struct("<I")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request: base64 body, the certificate shown with it (DER), its key (DER).

    Without a certificate, the key is the one the CSR asks a certificate for.
    """

    body: bytes
    certificate: bytes
    key: bytes

    def packed(self) -> bytes:
        fields = (self.body, self.certificate, self.key)
        return b"".join(LENGTH.pack(len(field)) + field for field in fields)

    def request(self) -> x509.CertificateSigningRequest:
        return x509.load_der_x509_csr(base64.b64decode(self.body))


@dataclass(slots=True, kw_only=True)
class Pool:
    """A pool file and the number of its first unused entry."""

    path: Path
    count: int
    next: int = 0

    def entries(self) -> list[Entry]:
        return list(_read(self.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An answer that the load generator kept: number in its pool, body."""

    number: int
    body: bytes


def enrollment_pool(folder: Path) -> Pool:
    """First enrollments, P-256, one CN and DNS name each; `extend` fills it.

    The file is shared by all servers of a run: each starts with an empty store.
    """
    path = folder / "enrollment.pool"
    path.touch()
    return Pool(path=path, count=sum(1 for _ in _read(path)))


def extend(pool: Pool, count: int) -> None:
    """Make sure that an enrollment pool holds so many unused entries."""
    end = pool.next + count
    if end > pool.count:
        starts = list(range(pool.count, end, CHUNK))
        _append(pool.path, partial(_new_devices, end=end), starts)
        pool.count = end


def renewal_pool(path: Path, devices: list[tuple[bytes, bytes]], *, same_key: bool = False) -> Pool:
    """Renewals under a new key, one for each (certificate DER, key DER).

    With ``same_key`` under the device's own: the load generator can sign those again.
    """
    chunks = [devices[start : start + CHUNK] for start in range(0, len(devices), CHUNK)]
    path.unlink(missing_ok=True)
    _append(path, partial(_renewals, same_key=same_key), chunks)
    return Pool(path=path, count=len(devices))


def read_samples(path: Path) -> list[Sample]:
    """The sample file of the load generator (see ``c/client.c``)."""
    data = path.read_bytes()
    samples, at = [], 0
    while at < len(data):
        (number,) = LENGTH.unpack_from(data, at)
        (length,) = LENGTH.unpack_from(data, at + 4)
        samples.append(Sample(number=number, body=data[at + 8 : at + 8 + length]))
        at += 8 + length
    return samples


def _read(path: Path) -> Iterator[Entry]:
    data = path.read_bytes()
    at = 0
    while at < len(data):
        fields = []
        for _ in range(3):
            (length,) = LENGTH.unpack_from(data, at)
            fields.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        yield Entry(body=fields[0], certificate=fields[1], key=fields[2])


def _append(path: Path, work: Callable[[T], bytes], chunks: list[T]) -> None:
    """Run the work on all cores and add what it gives, in order."""
    # The bench's own handler of SIGTERM is not for them: that is how they are ended.
    workers = multiprocessing.get_context("fork").Pool(
        initializer=signal.signal, initargs=(signal.SIGTERM, signal.SIG_DFL)
    )
    with workers, path.open("ab") as file:
        for packed in workers.imap(work, chunks):
            file.write(packed)


def _new_devices(start: int, *, end: int) -> bytes:
    packed = []
    for number in range(start, min(start + CHUNK, end)):
        name = f"device-{number:07d}.bench.example"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        key = ec.generate_private_key(ec.SECP256R1())
        body = _signed_request(subject, names, key)
        packed.append(Entry(body=body, certificate=b"", key=_key_der(key)).packed())
    return b"".join(packed)


def _renewals(devices: list[tuple[bytes, bytes]], *, same_key: bool) -> bytes:
    packed = []
    for certificate, key in devices:
        old = x509.load_der_x509_certificate(certificate)
        names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        asked = _decoded(key) if same_key else ec.generate_private_key(ec.SECP256R1())
        body = _signed_request(old.subject, names, asked)
        packed.append(Entry(body=body, certificate=certificate, key=key).packed())
    return b"".join(packed)


def _signed_request(
    subject: x509.Name, names: x509.SubjectAlternativeName, key: ec.EllipticCurvePrivateKey
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    text = base64.b64encode(request.public_bytes(Encoding.DER))
    lines = [text[at : at + BASE64_COLUMNS] for at in range(0, len(text), BASE64_COLUMNS)]
    return b"\n".join(lines) + b"\n"


def _decoded(key: bytes) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", load_der_private_key(key, None))


def _key_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
