"""Values to rows and back: the one place that knows how each field is stored.

Rows are tuples in the order of ``tables``' columns. Serial numbers become 20 octets, so
that numbers are compared and not texts; names and details become JSON text.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any

import msgspec

from certctl.domain.audit import AuditAction, AuditEvent, Outcome, RecordedEvent
from certctl.domain.certificates import (
    CertificateRecord,
    CertificateSource,
    CertificateState,
    CertificateStatus,
)
from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.domain.inventory import CertificateSummary
from certctl.domain.retention import AuditStub
from certctl.wire.identity import comparable_names

# RFC 5280 §4.1.2.2: a serial number has at most 20 octets.
SERIAL_OCTETS = 20


def serial_octets(serial: str) -> bytes:
    """The serial number of a hex text as 20 octets, big endian.

    Raises:
        ValueError: not hexadecimal, or longer than RFC 5280 §4.1.2.2 allows.
    """
    octets = bytes.fromhex(serial.zfill(2 * SERIAL_OCTETS))
    if len(octets) != SERIAL_OCTETS:
        raise ValueError(f"serial number of {len(octets)} octets")
    return octets


def serial_text(octets: bytes) -> str:
    """Lower-case hex without padding, as ``CertificateRecord.serial``."""
    return octets.hex().lstrip("0") or "0"


def subject_key(subject_der: bytes, san_der: bytes) -> bytes:
    """A short key of a certificate's names, equal for names that are the same to a
    renewal; equal keys are compared in full before they count.
    """
    return sha256(comparable_names(subject_der, san_der)).digest()[:16]


def packed_times(times: Sequence[int]) -> bytes:
    """Times in microseconds as eight octets each, big endian."""
    return struct.pack(f">{len(times)}Q", *times)


def unpacked_times(octets: bytes) -> tuple[int, ...]:
    """The times of ``packed_times``."""
    return struct.unpack(f">{len(octets) // 8}Q", octets)


def certificate_row(record: CertificateRecord) -> tuple[Any, ...]:
    return (
        record.id,
        record.status.value,
        record.not_before_us,
        record.not_after_us,
        record.issued_us,
        record.fingerprint,
        serial_octets(record.serial),
        record.issuer_id,
        record.profile,
        subject_key(record.subject_der, record.san_der),
        record.subject_der,
        record.san_der,
        record.certificate_profile,
        record.principal,
        record.auth_mode,
        record.subject,
        _json(record.sans),
        record.key_algorithm,
        record.spki_sha256,
        record.source.value,
        record.source_address,
        record.tls_version,
        record.channel_binding,
        record.renews,
        record.revoked_us,
        record.revocation_reason,
        record.tenant,
        record.csr_sha256,
        record.der,
        record.csr_der,
        record.crl_partition,
    )


def certificate_record(row: Sequence[Any]) -> CertificateRecord:
    """From a row of all columns of ``certificates``."""
    return CertificateRecord(
        id=row[0],
        status=CertificateStatus(row[1]),
        not_before_us=row[2],
        not_after_us=row[3],
        issued_us=row[4],
        fingerprint=row[5],
        serial=serial_text(row[6]),
        issuer_id=row[7],
        profile=row[8],
        subject_der=row[10],
        san_der=row[11],
        certificate_profile=row[12],
        principal=row[13],
        auth_mode=row[14],
        subject=row[15],
        sans=tuple(msgspec.json.decode(row[16])),
        key_algorithm=row[17],
        spki_sha256=row[18],
        source=CertificateSource(row[19]),
        source_address=row[20],
        tls_version=row[21],
        channel_binding=row[22],
        renews=row[23],
        revoked_us=row[24],
        revocation_reason=row[25],
        tenant=row[26],
        csr_sha256=row[27],
        der=row[28],
        csr_der=row[29],
        crl_partition=row[30],
    )


def certificate_state(row: Sequence[Any]) -> CertificateState:
    """From the columns of ``queries.certificates``' states, in their order."""
    return CertificateState(
        id=row[0],
        fingerprint=row[1],
        serial=serial_text(row[2]),
        profile=row[3],
        status=CertificateStatus(row[4]),
        not_before_us=row[5],
        not_after_us=row[6],
        subject_der=row[7],
        san_der=row[8],
        revocation_reason=row[9],
    )


def state_of(record: CertificateRecord) -> CertificateState:
    """The part of a record that the gates ask for."""
    return CertificateState(
        id=record.id,
        fingerprint=record.fingerprint,
        serial=record.serial,
        profile=record.profile,
        status=record.status,
        not_before_us=record.not_before_us,
        not_after_us=record.not_after_us,
        subject_der=record.subject_der,
        san_der=record.san_der,
        revocation_reason=record.revocation_reason,
    )


def summary_of(record: CertificateRecord) -> CertificateSummary:
    """The line of the inventory that a record is shown by."""
    return CertificateSummary(
        **{item.name: getattr(record, item.name) for item in fields(CertificateSummary)}
    )


def event_row(recorded: RecordedEvent) -> tuple[Any, ...]:
    event = recorded.event
    return (
        recorded.node,
        recorded.seq,
        recorded.id,
        event.time_us,
        event.actor,
        event.actor_type,
        event.action.value,
        event.outcome.value,
        event.profile,
        event.resource_type,
        event.resource_id,
        event.source_address,
        event.request_id,
        event.auth_mode,
        event.client_certificate_subject,
        event.client_certificate_serial,
        event.tls_version,
        event.count,
        _json(dict(event.details)),
        event.tenant,
        recorded.previous_digest,
        recorded.digest,
    )


def recorded_event(row: Sequence[Any]) -> RecordedEvent:
    """From a row of all columns of ``audit_events``."""
    return RecordedEvent(
        node=row[0],
        seq=row[1],
        id=row[2],
        previous_digest=row[20],
        digest=row[21],
        event=AuditEvent(
            time_us=row[3],
            actor=row[4],
            actor_type=row[5],
            action=AuditAction(row[6]),
            outcome=Outcome(row[7]),
            profile=row[8],
            resource_type=row[9],
            resource_id=row[10],
            source_address=row[11],
            request_id=row[12],
            auth_mode=row[13],
            client_certificate_subject=row[14],
            client_certificate_serial=row[15],
            tls_version=row[16],
            count=row[17],
            details=msgspec.json.decode(row[18]),
            tenant=row[19],
        ),
    )


def checkpoint_row(checkpoint: Checkpoint) -> tuple[Any, ...]:
    heads = [(head.node, head.seq, head.digest.hex()) for head in checkpoint.heads]
    return (
        checkpoint.number,
        checkpoint.made_us,
        checkpoint.previous,
        _json(heads),
        checkpoint.key_id,
        checkpoint.signature,
    )


def checkpoint(row: Sequence[Any]) -> Checkpoint:
    """From a row of all columns of ``checkpoints``.

    Raises:
        ValueError: ``heads`` is not what was written: somebody has changed it.
    """
    return Checkpoint(
        number=row[0],
        made_us=row[1],
        previous=row[2],
        heads=tuple(
            ChainHead(node=node, seq=seq, digest=bytes.fromhex(digest))
            for node, seq, digest in msgspec.json.decode(row[3], type=list[tuple[str, int, str]])
        ),
        key_id=row[4],
        signature=row[5],
    )


def stub_row(stub: AuditStub) -> tuple[Any, ...]:
    return (
        stub.node,
        stub.first_seq,
        stub.last_seq,
        stub.digest,
        stub.checkpoint,
        stub.dropped_us,
        stub.key_id,
        stub.signature,
    )


def stub(row: Sequence[Any]) -> AuditStub:
    """From a row of all columns of ``audit_stubs``."""
    return AuditStub(
        node=row[0],
        first_seq=row[1],
        last_seq=row[2],
        digest=row[3],
        checkpoint=row[4],
        dropped_us=row[5],
        key_id=row[6],
        signature=row[7],
    )


def _json(value: object) -> str:
    # A tenth of the cost of the json module, twice per certificate.
    return msgspec.json.encode(value).decode()
