"""Certificates of other sources, put on record (records §3).

They are here to be found, revoked and counted; they renew nothing by being on record,
and a bulk revocation never touches them. Every field is read from the certificate.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography import x509

from certctl.authority.commands import CertificatesImported, Import, ImportCertificates
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificates import CertificateRecord, CertificateSource
from certctl.domain.clock import SECOND_US
from certctl.domain.errors import Conflict, PolicyViolation, RequestMalformed
from certctl.domain.ids import sortable_id
from certctl.domain.imports import MOST_AT_ONCE, ImportRefused
from certctl.domain.inventory import IMPORTED_PROFILE
from certctl.domain.keys import describe_key, load_public_key
from certctl.domain.ports import Transaction
from certctl.wire.certificate_reader import CertificateFields, read_certificate
from certctl.wire.der import DerError
from certctl.wire.general_names import decode_general_names
from certctl.wire.names import decode_name

_MAX_SERIAL = 20
"""RFC 5280 §4.1.2.2: octets; a longer number has no place on record."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def import_certificates(command: ImportCertificates, transaction: Transaction, now_us: int) -> Done:
    """Record those that are not there yet.

    Raises:
        Conflict: one cannot be read, or its number is on record for another certificate
            of its issuer; then none is recorded.
    """
    if len(command.certificates) > MOST_AT_ONCE:
        raise Conflict(f"{len(command.certificates)} at once, at most {MOST_AT_ONCE}")
    try:
        read = [imported_record(each) for each in command.certificates]
    except ImportRefused as err:
        raise Conflict(str(err)) from err
    taken = dict(transaction.serials_on_record([record.serial for record in read]))
    fresh: list[CertificateRecord] = []
    for record in read:
        known = taken.setdefault((record.issuer_id, record.serial), b"")
        if known == record.fingerprint:
            continue
        if known:
            raise Conflict(
                f"serial {record.serial} of {record.issuer_id} is on record for another certificate"
            )
        taken[record.issuer_id, record.serial] = record.fingerprint
        fresh.append(record)
    transaction.record_certificates(fresh)
    return Done(
        result=CertificatesImported(imported=len(fresh), duplicates=len(read) - len(fresh)),
        events=tuple(_event(record, actor=command.actor, now_us=now_us) for record in fresh),
    )


def imported_record(one: Import) -> CertificateRecord:
    """What goes on record of a foreign certificate.

    Its id sorts by the beginning of its validity, the best that is known of when it was
    issued.

    Raises:
        ImportRefused: it cannot be read, or its serial number is too long.
    """
    try:
        fields = read_certificate(one.der)
        parsed = x509.load_der_x509_certificate(one.der)
        not_before_us = _micros(parsed.not_valid_before_utc)
        not_after_us = _micros(parsed.not_valid_after_utc)
        subject = decode_name(fields.subject_der).text()
        sans = decode_general_names(fields.san_der) if fields.san_der else ()
    # InvalidVersion is no ValueError.
    except (DerError, ValueError, x509.InvalidVersion, RequestMalformed) as err:
        raise ImportRefused(f"no certificate that can be read: {err}") from err
    if len(fields.serial) > 2 * _MAX_SERIAL:
        raise ImportRefused(f"its serial number has more than {_MAX_SERIAL} octets")
    fingerprint = hashlib.sha256(one.der).digest()
    issued_us = max(not_before_us, 0)
    return CertificateRecord(
        id=sortable_id(issued_us, lambda count: fingerprint[:count]),
        serial=fields.serial,
        profile=IMPORTED_PROFILE,
        certificate_profile="",
        issuer_id=one.issuer_id,
        principal="",
        auth_mode="",
        subject=subject,
        subject_der=fields.subject_der,
        sans=tuple(map(str, sans)),
        san_der=fields.san_der,
        key_algorithm=_algorithm(fields, parsed),
        spki_sha256=hashlib.sha256(fields.spki_der).digest(),
        fingerprint=fingerprint,
        not_before_us=not_before_us,
        not_after_us=not_after_us,
        issued_us=issued_us,
        der=one.der,
        csr_der=b"",
        csr_sha256=b"",
        source=CertificateSource.API,
        source_address="",
        tls_version="",
        channel_binding="",
    )


def _algorithm(fields: CertificateFields, parsed: x509.Certificate) -> str:
    """Of a key that we would not certify, the OID of its algorithm."""
    try:
        return str(describe_key(load_public_key(fields.spki_der)))
    except PolicyViolation:
        return parsed.public_key_algorithm_oid.dotted_string


def _micros(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds()) * SECOND_US


def _event(record: CertificateRecord, *, actor: str, now_us: int) -> AuditEvent:
    return event_by(
        actor,
        AuditAction.CERTIFICATE_IMPORTED,
        now_us=now_us,
        profile=record.profile,
        resource_type="certificate",
        resource_id=record.id,
        details={
            "serial": record.serial,
            "subject": record.subject,
            "sans": list(record.sans),
            "issuer": record.issuer_id,
        },
    )
