"""Files of certificates (PEM or DER) to what the authority can put on record.

All files are read and judged before anything is sent: one bad certificate is named by
file and position, and nothing is half done.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from certctl.authority.commands import Import
from certctl.authority.import_certificates import imported_record
from certctl.domain.imports import ImportRefused, external_issuer
from certctl.domain.stored_issuers import StoredIssuer
from certctl.settings.schema import Settings
from certctl.wire.certificate_reader import read_certificate
from certctl.wire.der import SEQUENCE, DerError, read
from certctl.wiring.issuers import ca_certificate_file, read_chain

LARGEST_FILE = 1 << 30
LARGEST_CERTIFICATE = 32 * 1024
"""Octets, as for client certificates."""

# No dash inside: what begins and never ends must not be searched to the end each time.
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")
_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """What cannot be imported. ``position`` counts certificates in the file from 1; 0
    means the file itself.
    """

    file: Path
    position: int
    why: str

    def __str__(self) -> str:
        place = f"certificate {self.position}: " if self.position else ""
        return f"{self.file}: {place}{self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What files hold: the good ones, each once, and all that is wrong.

    Attributes:
        repeated: certificates that the files hold more than once.
    """

    good: tuple[Import, ...]
    repeated: int
    bad: tuple[Bad, ...]


def read_files(
    files: Iterable[Path],
    settings: Settings,
    *,
    issuer: str | None,
    stored: Sequence[StoredIssuer] = (),
) -> Readable:
    """Read certificates and find their issuers, among them those ``stored``.

    ``issuer`` names those that none of this server's CAs has issued; without it the hash
    of their issuer's name does.
    """
    ours = _our_issuers(settings, stored)
    good: dict[bytes, Import] = {}
    bad: list[Bad] = []
    repeated = 0
    for file in files:
        try:
            found = [*_certificates(file)]
        except (OSError, ImportRefused) as err:
            why = err.strerror or str(err) if isinstance(err, OSError) else str(err)
            bad.append(Bad(file=file, position=0, why=why))
            continue
        for position, der in enumerate(found, start=1):
            try:
                each = Import(der=der, issuer_id=_issuer_of(der, ours, issuer))
                imported_record(each)
            except (ImportRefused, DerError) as err:
                bad.append(Bad(file=file, position=position, why=str(err)))
                continue
            fingerprint = hashlib.sha256(der).digest()
            repeated += fingerprint in good
            good.setdefault(fingerprint, each)
    return Readable(good=tuple(good.values()), repeated=repeated, bad=tuple(bad))


def read_pem(
    octets: bytes,
    settings: Settings,
    *,
    issuer: str | None,
    stored: Sequence[StoredIssuer] = (),
) -> list[Import | str]:
    """Certificates in PEM and their issuers, in their order; of a bad one, what is wrong."""
    ours = _our_issuers(settings, stored)
    found: list[Import | str] = []
    for der in _in_pem(octets):
        try:
            each = Import(der=der, issuer_id=_issuer_of(der, ours, issuer))
            imported_record(each)
        except (ImportRefused, DerError) as err:
            found.append(str(err))
        else:
            found.append(each)
    return found


def _in_pem(octets: bytes) -> Iterator[bytes]:
    """DER of each certificate; keys and other PEM blocks are passed over."""
    for block in _PEM.finditer(octets):
        if block[1] in _CERTIFICATES:
            yield _decoded(block[2])


def _certificates(file: Path) -> Iterator[bytes]:
    """The same of a file in PEM or DER.

    Raises:
        ImportRefused: there is none in it.
    """
    if file.stat().st_size > LARGEST_FILE:
        raise ImportRefused(f"larger than {LARGEST_FILE >> 20} MiB")
    octets = file.read_bytes()
    number = 0
    if b"-----BEGIN " in octets:
        for number, der in enumerate(_in_pem(octets), start=1):  # noqa: B007 - counted for below
            yield der
    else:
        at = 0
        while at < len(octets):
            number += 1
            end = _end(octets, at)
            yield octets[at:end]
            at = end
    if not number:
        raise ImportRefused("no certificate in it (PEM or DER)")


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        # Named by its position when it is read as a certificate, which it is not.
        return b""


def _end(octets: bytes, at: int) -> int:
    """Where the value at ``at`` ends; the end of the file where there is none."""
    try:
        tag, _, end = read(octets, at, len(octets))
    except DerError:
        return len(octets)
    return end if tag == SEQUENCE else len(octets)


def _our_issuers(
    settings: Settings, stored: Sequence[StoredIssuer]
) -> dict[bytes, list[tuple[str, x509.Certificate]]]:
    """CA certificates of this server by their subjects (DER)."""
    ders = {row.id: row.chain[0] for row in stored if row.chain}
    for issuer in settings.issuers:
        path = ca_certificate_file(issuer, settings.server.data_dir)
        if path.exists():
            ders[issuer.id] = read_chain(path)[0]
    known: dict[bytes, list[tuple[str, x509.Certificate]]] = {}
    for issuer_id, der in ders.items():
        subject = read_certificate(der).subject_der
        known.setdefault(subject, []).append((issuer_id, x509.load_der_x509_certificate(der)))
    return known


def _issuer_of(
    der: bytes, ours: dict[bytes, list[tuple[str, x509.Certificate]]], name: str | None
) -> str:
    """The issuer id: one of ours by its signature, not by its name.

    Raises:
        ImportRefused: no certificate.
    """
    if len(der) > LARGEST_CERTIFICATE:
        raise ImportRefused(f"larger than {LARGEST_CERTIFICATE >> 10} KiB")
    issuer_der = read_certificate(der).issuer_der
    candidates: Sequence[tuple[str, x509.Certificate]] = ours.get(issuer_der, ())
    if candidates:
        try:
            certificate = x509.load_der_x509_certificate(der)
        except (ValueError, x509.InvalidVersion) as err:
            raise ImportRefused(f"no certificate that can be read: {err}") from err
        for issuer_id, ca in candidates:
            try:
                certificate.verify_directly_issued_by(ca)
            except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
                continue
            return issuer_id
    return external_issuer(issuer_der, name)
