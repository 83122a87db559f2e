"""Rows for the store's tests: complete, different by number, changed by keyword."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.certificates import CertificateKey, CertificateRecord, CertificateSource
from tests.harness.replacing import replace

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def key_of(record: CertificateRecord) -> CertificateKey:
    return CertificateKey(record.serial, record.fingerprint)


def certificate(number: int, **changes: Any) -> CertificateRecord:
    """A valid certificate of profile ``demo``, issued at NOW, good for a day."""
    der = b"\x30" + digest(f"der {number}") * 3
    record = CertificateRecord(
        id=f"{number:026d}",
        serial=f"{(1 << 150) + number:x}",
        profile="demo",
        certificate_profile="default",
        issuer_id="iss-local",
        principal=f"device-{number}",
        auth_mode="basic",
        subject=f"CN=device-{number}",
        subject_der=b"\x30" + digest(f"subject {number}"),
        sans=(f"dns:device-{number}.example.org", 'uri:urn:"ü"\\'),
        san_der=b"\x30" + digest(f"san {number}"),
        key_algorithm="EC P-256",
        spki_sha256=digest(f"spki {number}"),
        fingerprint=digest(f"fingerprint {number}"),
        not_before_us=NOW - 60_000_000,
        not_after_us=NOW + DAY,
        issued_us=NOW,
        der=der,
        csr_der=b"\x30\x00",
        csr_sha256=digest(f"csr {number}"),
        source=CertificateSource.EST,
        source_address="192.0.2.1",
        tls_version="TLSv1.3",
        channel_binding="tls-exporter",
    )
    return replace(record, **changes)


def event(seq: int, *, node: str = "one", **changes: Any) -> RecordedEvent:
    """The event at ``seq`` of a node's chain."""
    told = AuditEvent(
        time_us=NOW + seq,
        actor=f"est-client:device-{seq}",
        actor_type="est-client",
        action=AuditAction.SIMPLE_ENROLL_SUCCESS,
        outcome=Outcome.SUCCESS,
        profile="demo",
        resource_type="certificate",
        resource_id=f"{seq:026d}",
        source_address="2001:db8::1",
        request_id=f"request-{seq}",
        auth_mode="mtls",
        client_certificate_subject="CN=ü",
        client_certificate_serial="0a",
        tls_version="TLSv1.2",
        count=3,
        details={"reason": "none", "n": 7, "sans": ["dns:a", "dns:b"]},
        tenant="acme",
    )
    return RecordedEvent(
        id=f"e{seq:025d}",
        node=node,
        seq=seq,
        event=replace(told, **changes),
        previous_digest=digest(f"{node} {seq - 1}"),
        digest=digest(f"{node} {seq}"),
    )
