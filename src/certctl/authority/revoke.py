"""Revocation inside a transaction (records §4): from its commit on nobody renews with it,
and from that of a hold's release on somebody does again.
"""

from __future__ import annotations

from certctl.authority.commands import (
    CertificateReleased,
    ReleaseCertificate,
    RevocationDone,
    RevokeCertificate,
)
from certctl.authority.done import Done
from certctl.authority.events import event_by
from certctl.domain.audit import AuditAction, AuditEvent
from certctl.domain.certificates import CertificateRecord
from certctl.domain.errors import Conflict, NotFound
from certctl.domain.inventory import CertificateSummary
from certctl.domain.ports import Transaction
from certctl.domain.revocation import Revocation, RevocationReason, may_revoke


def revoke(command: RevokeCertificate, transaction: Transaction, now_us: int) -> Done:
    """Revoke, unless it is revoked for good already: then the first revocation stands.

    Raises:
        NotFound: no such certificate on record.
    """
    record = transaction.certificate(command.certificate_id)
    if record is None:
        raise NotFound(f"certificate {command.certificate_id}")
    present = RevocationReason(record.revocation_reason) if record.revocation_reason else None
    if not may_revoke(present, command.reason):
        return Done(
            result=RevocationDone(
                Revocation(
                    certificate_id=record.id,
                    serial=record.serial,
                    revoked_us=record.revoked_us or 0,
                    reason=present or RevocationReason.UNSPECIFIED,
                    already=True,
                )
            )
        )
    transaction.revoke_certificates((record.id,), now_us, command.reason)
    if command.reason is RevocationReason.KEY_COMPROMISE:
        transaction.note_compromised_keys((record.spki_sha256,), now_us)
    done = Revocation(
        certificate_id=record.id, serial=record.serial, revoked_us=now_us, reason=command.reason
    )
    event = revoked_event(record, reason=command.reason, actor=command.actor, now_us=now_us)
    return Done(result=RevocationDone(done), events=(event,))


def release(command: ReleaseCertificate, transaction: Transaction, now_us: int) -> Done:
    """Take a hold back: the certificate is valid again, at once.

    Raises:
        NotFound: no such certificate on record.
        Conflict: it is not on hold.
    """
    record = transaction.certificate(command.certificate_id)
    if record is None:
        raise NotFound(f"certificate {command.certificate_id}")
    if record.revocation_reason != RevocationReason.CERTIFICATE_HOLD:
        state = f"revoked for good ({record.revocation_reason})" if record.revoked_us else "valid"
        raise Conflict(f"certificate {record.serial} is not on hold: it is {state}")
    transaction.release_certificates((record.id,), now_us)
    event = event_by(
        command.actor,
        AuditAction.CERTIFICATE_RELEASED,
        now_us=now_us,
        profile=record.profile,
        resource_type="certificate",
        resource_id=record.id,
        details={"serial": record.serial, "subject": record.subject},
        tenant=record.tenant,
    )
    done = CertificateReleased(certificate_id=record.id, serial=record.serial, released_us=now_us)
    return Done(result=done, events=(event,))


def revoked_event(
    record: CertificateRecord | CertificateSummary,
    *,
    reason: RevocationReason,
    actor: str,
    now_us: int,
    operation: str = "",
    issuer_told: bool = False,
) -> AuditEvent:
    """The event of one certificate's revocation; ``operation`` is the bulk's it is part of.

    ``issuer_told``: its CA, which is outside, has revoked it already.
    """
    more = {"operation": operation} if operation else {}
    if issuer_told:
        more["issuer_told"] = "yes"
    return event_by(
        actor,
        AuditAction.CERTIFICATE_REVOKED,
        now_us=now_us,
        profile=record.profile,
        resource_type="certificate",
        resource_id=record.id,
        details={
            "serial": record.serial,
            "subject": record.subject,
            "reason": reason.value,
            "replaced": record.revocation_reason or "",
            "issuer_id": record.issuer_id,
            **more,
        },
        tenant=record.tenant,
    )
