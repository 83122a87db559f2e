"""The local CA's two files: made once, found again at every start, never replaced.

``ca-<issuer_id>.key`` (0600) is written first, ``ca-<issuer_id>.pem`` second; a crash
between the two leaves a key that nothing was signed with, and the next start finishes
the pair. Losing a file that the database knows of is a refusal: a new CA made in silence
would cut off every device in the field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import ascii_letters, digits

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from certctl.domain.clock import SECOND_US
from certctl.issuers.atomic_write import write_file
from certctl.issuers.ca_checks import CARefused, check_ca, read_chain
from certctl.issuers.signers.file import (
    FileSigner,
    KeyType,
    PrivateKey,
    load_key,
    make_key,
    write_key,
)
from certctl.wire.certificate import SERIAL_RANDOM_OCTETS, encode_serial, key_identifier

CA_LIFETIME = timedelta(days=3652)
"""Ten years (issuers §2)."""

CA_BACKDATE = timedelta(days=1)
"""Certificates are never older than their CA, so this leaves room for their own backdating,
and for a device whose clock is hours behind when it first sees the CA."""

_NAME_CHARACTERS = frozenset(ascii_letters + digits + "-_.")
_MAX_ID_IN_NAME = 44  # ub-common-name is 64 (RFC 5280 appendix A.1), the rest takes 20.

_NO_SILENT_CA = (
    "restore the file from its backup; a new CA is never made in its place, because the "
    "devices enrolled so far would not know it"
)


def open_files(
    directory: Path,
    *,
    issuer_id: str,
    key_type: KeyType,
    passphrase: bytes | None,
    now_us: int,
    known_fingerprint: bytes | None,
    random: Callable[[int], bytes],
) -> tuple[FileSigner, tuple[bytes, ...]]:
    """Load the local CA of ``directory``; make it if it never existed.

    Several processes may do this at once: all end up with the same pair.

    Raises:
        CARefused: see ``LocalCA.open``.
        KeyFileRefused: the key file cannot or must not be used.
    """
    check_issuer_id(issuer_id)
    key_path = directory / f"ca-{issuer_id}.key"
    certificate_path = directory / f"ca-{issuer_id}.pem"
    try:
        # In this order: the key is older, so whoever sees the certificate sees both.
        has_certificate = certificate_path.exists()
        has_key = key_path.exists()
        if not has_key and (has_certificate or known_fingerprint is not None):
            raise CARefused(key_path, "the CA's key file is gone", _NO_SILENT_CA)
        if not has_certificate and known_fingerprint is not None:
            raise CARefused(certificate_path, "the CA's certificate file is gone", _NO_SILENT_CA)
        if not has_key:
            _make_key_file(key_path, key_type, passphrase)
        key = load_key(key_path, passphrase)
        if not has_certificate:
            _make_certificate_file(certificate_path, key, issuer_id, now_us, random)
    except OSError as err:
        raise CARefused(
            directory,
            f"the CA files cannot be read or written ({err.strerror})",
            "check that the directory exists, belongs to the server's user and has free space",
        ) from err
    signer = FileSigner(key)
    chain = read_chain(certificate_path)
    check_ca(certificate_path, chain, spki_der=signer.spki_der, now_us=now_us)
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    check_known(certificate_path, ders[0], known_fingerprint)
    return signer, ders


def check_issuer_id(issuer_id: str) -> None:
    """Refuse an id that could lead out of the directory.

    Raises:
        ValueError: it cannot name a file.
    """
    if not issuer_id or not _NAME_CHARACTERS.issuperset(issuer_id):
        raise ValueError(f"issuer id cannot name a file: {issuer_id!r}")


def check_known(path: Path, certificate_der: bytes, known_fingerprint: bytes | None) -> None:
    """Refuse a CA certificate other than the one on record (SHA-256, None for none yet).

    Raises:
        CARefused: it is another one.
    """
    found = hashlib.sha256(certificate_der).digest()
    if known_fingerprint is not None and found != known_fingerprint:
        raise CARefused(
            path,
            f"is not the CA on record (SHA-256 {known_fingerprint.hex()} is, "
            f"{found.hex()} was found)",
            "restore the CA files that belong to this database, or the database that belongs "
            "to them",
        )


def _make_key_file(path: Path, key_type: KeyType, passphrase: bytes | None) -> None:
    try:
        write_key(path, make_key(key_type), passphrase)
    except FileExistsError:
        return  # Another process was faster; its key is the one.


def _make_certificate_file(
    path: Path, key: PrivateKey, issuer_id: str, now_us: int, random: Callable[[int], bytes]
) -> None:
    pem = make_certificate(key, issuer_id, now_us, random).public_bytes(Encoding.PEM)
    try:
        write_file(path, pem, mode=0o644)
    except FileExistsError:
        return


def make_certificate(
    key: PrivateKey,
    issuer_id: str,
    now_us: int,
    random: Callable[[int], bytes],
    *,
    common_name: str | None = None,
) -> x509.Certificate:
    """A self-signed root certificate for ``key``; named after ``issuer_id`` unless told how.

    It carries no path length: at a rollover the old CA signs the new one (RFC 4210 §4.4),
    and common validators (Go's among them) count that certificate against a path length
    although it is self-issued. Nothing is lost: this program never signs a CA certificate
    for anybody else.
    """
    public_key = key.public_key()
    identifier = key_identifier(
        public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    if common_name is None:
        # Two CAs of one name would be mistaken for each other; part of the key tells them apart.
        common_name = f"certctl CA {issuer_id[:_MAX_ID_IN_NAME]} {identifier[:4].hex()}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.fromtimestamp(now_us // SECOND_US, UTC)
    serial = encode_serial(now_us // SECOND_US, random(SERIAL_RANDOM_OCTETS))
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(int.from_bytes(serial, "big"))
        .not_valid_before(now - CA_BACKDATE)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(ca_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
        .sign(key, signing_digest(key))
    )


def ca_usage() -> x509.KeyUsage:
    """What a CA's key is for."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def signing_digest(key: PrivateKey) -> SHA256 | SHA384 | None:
    """The digest that goes with a key; Ed25519 brings its own."""
    match key:
        case ed25519.Ed25519PrivateKey():
            return None
        case ec.EllipticCurvePrivateKey(curve=ec.SECP384R1()):
            return SHA384()
        case _:
            return SHA256()
