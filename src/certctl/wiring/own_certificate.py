"""Certificates that this server gives itself, put on record like any other.

The listener's certificate and the OCSP responders: nobody asked for them, and no bulk
revocation of devices may touch them.
"""

from __future__ import annotations

import hashlib

from cryptography import x509

from certctl.authority.audit import Chain
from certctl.domain.audit import AuditEvent
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.ids import NewId
from certctl.domain.ports import SignedCertificate
from certctl.issuers.ca_checks import public_key_der
from certctl.issuers.local import LocalCA
from certctl.store import SqlStore


def own_record(
    signed: SignedCertificate, ca: LocalCA, *, now_us: int, certificate_id: str
) -> CertificateRecord:
    """What to record of a certificate for a P-256 key of our own."""
    certificate = x509.load_der_x509_certificate(signed.der)
    sans, san_der = _names(certificate)
    return CertificateRecord(
        id=certificate_id,
        serial=signed.serial,
        profile="",
        certificate_profile="",
        issuer_id=ca.issuer_id,
        principal="system",
        auth_mode="",
        subject=certificate.subject.rfc4514_string(),
        subject_der=certificate.subject.public_bytes(),
        sans=sans,
        san_der=san_der,
        key_algorithm="ECDSA-256",
        spki_sha256=hashlib.sha256(public_key_der(certificate)).digest(),
        fingerprint=hashlib.sha256(signed.der).digest(),
        not_before_us=signed.not_before_us,
        not_after_us=signed.not_after_us,
        issued_us=now_us,
        der=signed.der,
        csr_der=b"",
        csr_sha256=b"",
        source=CertificateSource.INTERNAL,
        source_address="",
        tls_version="",
        channel_binding="none",
        crl_partition=signed.crl_partition,
    )


def put_on_record(
    store: SqlStore, record: CertificateRecord, event: AuditEvent, new_id: NewId
) -> None:
    """The certificate and what is told of it, in one transaction.

    Raises:
        StoreUnavailable: it cannot be recorded now; nothing was.
    """
    with store.transaction() as transaction:
        transaction.record_certificates([record])
        chain = Chain(store.node, transaction.last_event(store.node))
        transaction.append_events(chain.extend([event], new_id))


def _names(certificate: x509.Certificate) -> tuple[tuple[str, ...], bytes]:
    """SANs as text, and their extension value (DER); nothing where there are none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), b""
    names = [f"dns:{name}" for name in found.get_values_for_type(x509.DNSName)]
    names += [f"ip:{name}" for name in found.get_values_for_type(x509.IPAddress)]
    return tuple(names), found.public_bytes()
