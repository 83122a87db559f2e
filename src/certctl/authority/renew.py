"""What is renewed, inside the transaction: still good, and superseded if so told (policy §5).

The worker has compared names and keys; meanwhile the renewed certificate may have been
revoked, and a worker that lies must not have any certificate revoked that it names.
"""

from __future__ import annotations

from msgspec.structs import replace

from certctl.authority.events import device_name
from certctl.authority.facts import Facts, needs_renewed
from certctl.authority.revoke import revoked_event
from certctl.domain.audit import AuditEvent
from certctl.domain.certificates import CertificateRecord, CertificateStatus
from certctl.domain.errors import InternalError, NotAllowed
from certctl.domain.order import Order
from certctl.domain.revocation import RevocationReason
from certctl.wire.identity import same_identity
from certctl.wire.names import decode_name


def require_renewable(order: Order, facts: Facts) -> None:
    """A certificate renewed by name, without being shown, is still valid now.

    Raises:
        NotAllowed: ``nothing_to_renew``.
        InternalError: the order names a certificate of other names or another profile.
    """
    if not needs_renewed(order):
        return
    record = facts.renewed.get(order.renews or "")
    if record is None or not _belongs(record, order):
        raise InternalError
    if not order.shows_renewed and not _valid(record, facts.now_us - order.grace_us):
        raise NotAllowed("nothing_to_renew", got=decode_name(order.subject_der).text())


def supersede(order: Order, facts: Facts) -> tuple[str, AuditEvent] | None:
    """Revoke what was renewed, if the order says so: its id, and the event of it."""
    record = facts.renewed.get(order.renews or "") if order.supersedes else None
    if record is None or record.status is not CertificateStatus.VALID:
        return None
    reason = RevocationReason.SUPERSEDED
    event = revoked_event(record, reason=reason, actor=device_name(order), now_us=facts.now_us)
    # What comes later in this batch must find it revoked.
    facts.renewed[record.id] = replace(
        record,
        status=CertificateStatus.REVOKED,
        revoked_us=facts.now_us,
        revocation_reason=reason.value,
    )
    state = facts.states.get(record.fingerprint)
    if state is not None:
        facts.states[record.fingerprint] = replace(
            state, status=CertificateStatus.REVOKED, revocation_reason=reason.value
        )
    return record.id, event


def _belongs(record: CertificateRecord, order: Order) -> bool:
    """It is the certificate shown, or one of this profile with the order's names,
    unless the names may and do change.
    """
    if order.shows_renewed:
        return record.fingerprint == order.credential
    if order.renames or record.profile != order.profile:
        # Its certificate profile lets names change; which they were only the CSR says.
        return record.profile == order.profile
    return same_identity(order.subject_der, order.san_der, record.subject_der, record.san_der)


def _valid(record: CertificateRecord, now_us: int) -> bool:
    return record.status is CertificateStatus.VALID and record.not_after_us > now_us
