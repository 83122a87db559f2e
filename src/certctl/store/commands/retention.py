"""Drop what has been kept long enough (records §5, §8); whether it may go is decided above."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Connection

from certctl.domain.certificates import CertificateStatus
from certctl.domain.retention import AuditStub
from certctl.store.rows import stub_row
from certctl.store.tables import audit_events, audit_stubs, certificates, repetitions

_c = certificates.c


def drop_segment(connection: Connection, stub: AuditStub) -> None:
    """Put the stub in place of its events: the triggers let no other row be deleted."""
    connection.execute(insert(audit_stubs).values(stub_row(stub)))
    connection.execute(
        delete(audit_events)
        .where(audit_events.c.node == stub.node)
        .where(audit_events.c.seq >= stub.first_seq)
        .where(audit_events.c.seq <= stub.last_seq)
    )


def drop_certificates(connection: Connection, ids: Collection[str], before_us: int) -> int:
    """Of these, drop what expired before that and was never revoked; gives their number."""
    clause = (
        select(_c.id)
        .where(_c.id.in_([*ids]))
        .where(_c.status == CertificateStatus.VALID.value)
        .where(_c.not_after_us < before_us)
    )
    found = connection.execute(clause).scalars().all()
    if found:
        connection.execute(delete(repetitions).where(repetitions.c.certificate_id.in_(found)))
        connection.execute(delete(certificates).where(_c.id.in_(found)))
    return len(found)
