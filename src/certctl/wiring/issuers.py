"""Issuers of this node: settings and what is on record become CAs that can sign."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import SECOND_US
from certctl.issuers.local import LocalCA
from certctl.issuers.signers.file import KeyType
from certctl.settings.schema import IssuerSettings, ServerSettings, Settings
from certctl.store import SqlStore
from certctl.wiring.pointers import pointers


def open_issuers(settings: Settings, store: SqlStore, *, now_us: int) -> dict[str, LocalCA]:
    """Open or make every configured CA and bind it to the store.

    The store remembers each CA's fingerprint: a lost or exchanged key file is a refusal
    to start, never a silent new CA.

    Raises:
        CARefused, KeyFileRefused, SecretUnreadable.
    """
    opened = {}
    for issuer in settings.issuers:
        ca = _open(issuer, settings.server, store.ca_fingerprint(issuer.id), now_us)
        store.bind_ca(issuer.id, hashlib.sha256(ca.ca_chain()[0]).digest())
        opened[issuer.id] = ca
    return opened


def _open(
    issuer: IssuerSettings, server: ServerSettings, known: bytes | None, now_us: int
) -> LocalCA:
    source = issuer.ca_key_passphrase
    passphrase = source.read().reveal().encode() if source is not None else None
    lifetime_us = issuer.validity_s * SECOND_US
    if issuer.ca_cert_path is not None and issuer.ca_key_path is not None:
        return LocalCA.from_files(
            issuer.ca_cert_path,
            issuer.ca_key_path,
            issuer_id=issuer.id,
            passphrase=passphrase,
            now_us=now_us,
            known_fingerprint=known,
            lifetime_us=lifetime_us,
            pointers=pointers(server, issuer.id),
        )
    return LocalCA.open(
        server.data_dir,
        issuer_id=issuer.id,
        key_type=KeyType(issuer.ca_key_type.value),
        passphrase=passphrase,
        now_us=now_us,
        known_fingerprint=known,
        lifetime_us=lifetime_us,
        pointers=pointers(server, issuer.id),
    )


def ca_certificate_file(issuer: IssuerSettings, data_dir: Path) -> Path:
    """PEM of the issuing CA and its chain: public, read by the workers."""
    return issuer.ca_cert_path or data_dir / f"ca-{issuer.id}.pem"


def read_chain(path: Path) -> tuple[bytes, ...]:
    """DER certificates of a PEM file, in its order."""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
