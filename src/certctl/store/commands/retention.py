"""Drop what has been kept long enough (records §5, §8); whether it may go is decided above."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.engine import Connection

from certctl.domain.inventory import CertificateSummary
from certctl.domain.retention import AuditStub, may_go
from certctl.store.names import names_of
from certctl.store.queries.inventory import summaries_of_ours
from certctl.store.queries.retention import Listing
from certctl.store.rows import stub_row
from certctl.store.tables import (
    audit_events,
    audit_stubs,
    certificate_names,
    certificates,
    released_holds,
    repetitions,
    requests,
)

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
    """Of these, drop what expired before that and ``may_go``; gives their number.

    With everything that names them, but for the audit trail and events on their way.
    """
    listing = Listing(connection)
    clause = select(_c.id, _c.crl_partition).where(_c.id.in_([*ids]))
    partitions = {row[0]: row[1] for row in connection.execute(clause).fetchall()}
    found = []
    for each in summaries_of_ours(connection, ids).values():
        listed = listing.since(each.issuer_id, partitions[each.id])
        if may_go(each, before_us=before_us, listed_us=listed):
            found.append(each)
    if found:
        gone = [each.id for each in found]
        _drop_names(connection, found)
        for table in (repetitions, released_holds, requests):
            connection.execute(delete(table).where(table.c.certificate_id.in_(gone)))
        connection.execute(delete(certificates).where(_c.id.in_(gone)))
    return len(found)


def _drop_names(connection: Connection, found: Sequence[CertificateSummary]) -> None:
    """By the whole key of the table: it has no index by certificate, which every
    enrollment would have to keep.
    """
    _n = certificate_names.c
    clause = delete(certificate_names).where(
        _n.name == bindparam("key"), _n.certificate_id == bindparam("of")
    )
    keys = sorted((name, each.id) for each in found for name in names_of(each))
    if keys:
        connection.execute(clause, [{"key": name, "of": of} for name, of in keys])
