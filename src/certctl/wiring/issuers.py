"""Issuers of this node: settings and what is on record become CAs that can sign."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certctl.domain.clock import SECOND_US
from certctl.domain.crl_partitions import CrlPartition
from certctl.issuers import ca_checks
from certctl.issuers.local import LocalCA
from certctl.issuers.script import ScriptCA, open_script
from certctl.issuers.signers.file import KeyType
from certctl.settings.schema import IssuerSettings, Settings
from certctl.store import SqlStore
from certctl.wire.pointers import Pointers
from certctl.wiring.pointers import pointers


def open_issuers(
    settings: Settings,
    store: SqlStore,
    *,
    now_us: int,
    partitions: Sequence[CrlPartition] = (),
) -> dict[str, LocalCA]:
    """Open or make every local CA and bind it to the store.

    ``partitions``: of CRLs; their certificates come into one of them.

    The store remembers each CA's fingerprint: a lost or exchanged key file is a refusal
    to start, never a silent new CA.

    Raises:
        CARefused, KeyFileRefused, SecretUnreadable.
    """
    opened = {}
    for issuer in settings.issuers:
        if not issuer.is_local:
            continue
        written = pointers(settings, issuer.id, partitions)
        ca = _open(issuer, settings, store.ca_fingerprint(issuer.id), now_us, written)
        store.bind_ca(issuer.id, hashlib.sha256(ca.ca_chain()[0]).digest())
        opened[issuer.id] = ca
    return opened


def open_outside_issuers(
    settings: Settings, store: SqlStore, *, now_us: int
) -> dict[str, ScriptCA]:
    """Every issuer outside, its CA certificate bound to the store like a local one.

    Raises:
        CARefused: its CA certificate, or the chain, must not be used.
        CaMismatch: the store knows another CA under this id.
    """
    opened = {}
    for issuer in settings.issuers:
        script, path = issuer.script, issuer.ca_cert_path
        if script is None or path is None:
            continue
        certificates = ca_checks.read_chain(path)
        key = ca_checks.public_key_der(certificates[0])
        ca_checks.check_ca(path, certificates, spki_der=key, now_us=now_us)
        chain = tuple(each.public_bytes(Encoding.DER) for each in certificates)
        store.bind_ca(issuer.id, hashlib.sha256(chain[0]).digest())
        opened[issuer.id] = open_script(
            issuer_id=issuer.id,
            sign=script.sign,
            find=script.find,
            revoke=script.revoke,
            chain=chain,
            time_limit_us=script.time_limit_s * SECOND_US,
            lifetime_us=issuer.validity_s * SECOND_US,
        )
    return opened


def _open(
    issuer: IssuerSettings, settings: Settings, known: bytes | None, now_us: int, written: Pointers
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
            pointers=written,
        )
    return LocalCA.open(
        settings.server.data_dir,
        issuer_id=issuer.id,
        key_type=KeyType(issuer.ca_key_type.value),
        passphrase=passphrase,
        now_us=now_us,
        known_fingerprint=known,
        lifetime_us=lifetime_us,
        pointers=written,
    )


def ca_certificate_file(issuer: IssuerSettings, data_dir: Path) -> Path:
    """PEM of the issuing CA and its chain: public, read by the workers."""
    return issuer.ca_cert_path or data_dir / f"ca-{issuer.id}.pem"


def read_chain(path: Path) -> tuple[bytes, ...]:
    """DER certificates of a PEM file, in its order."""
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
