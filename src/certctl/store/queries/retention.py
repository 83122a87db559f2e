"""Find what has been kept long enough, and read what stands where it was (records §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.audit import RecordedEvent
from certctl.domain.certificates import CertificateStatus
from certctl.domain.checkpoint import Checkpoint
from certctl.domain.crl_partitions import listed_us
from certctl.domain.retention import AuditStub, may_go
from certctl.store.queries.crl_partitions import partitions
from certctl.store.rows import checkpoint, recorded_event, stub
from certctl.store.tables import audit_events, audit_stubs, certificates, checkpoints, crls

_c = certificates.c
_e = audit_events.c
_s = audit_stubs.c

# How many certificates are looked at for one answer, so that no reading takes long.
_WINDOW = 5_000


def stubs(connection: Connection) -> Sequence[AuditStub]:
    """All, in order of (node, first_seq)."""
    clause = select(audit_stubs).order_by(_s.node, _s.last_seq)
    return [stub(row) for row in connection.execute(clause).fetchall()]


def last_stub(connection: Connection, node: str) -> AuditStub | None:
    clause = select(audit_stubs).where(_s.node == node).order_by(_s.last_seq.desc()).limit(1)
    rows = connection.execute(clause).fetchall()
    return stub(rows[0]) if rows else None


def numbered_checkpoint(connection: Connection, number: int) -> Checkpoint | None:
    rows = connection.execute(select(checkpoints).where(checkpoints.c.number == number)).fetchall()
    return checkpoint(rows[0]) if rows else None


def events_between(
    connection: Connection, node: str, first: int, last: int
) -> Sequence[RecordedEvent]:
    """Events of one chain, both ends included, in their order."""
    clause = (
        select(audit_events)
        .where(_e.node == node)
        .where(_e.seq >= first)
        .where(_e.seq <= last)
        .order_by(_e.seq)
    )
    return [recorded_event(row) for row in connection.execute(clause).fetchall()]


class Listing:
    """What CRLs have dropped, as of one moment."""

    def __init__(self, connection: Connection) -> None:
        rows = connection.execute(select(crls.c.scope, crls.c.listed_us)).fetchall()
        self._scopes: Mapping[str, int] = {row.scope: row.listed_us for row in rows}
        self._partitions = {each.number: each for each in partitions(connection)}

    def since(self, issuer_id: str, partition: int | None) -> int | None:
        """See ``domain.crl_partitions.listed_us``."""
        return listed_us(self._scopes, self._partitions, issuer_id, partition)


class _Ended(NamedTuple):
    status: CertificateStatus
    not_after_us: int
    revoked_us: int | None


def expired_certificates(
    connection: Connection, before_us: int, after: str, limit: int
) -> Sequence[str]:
    """Ids above ``after`` of certificates that ended before that and ``may_go``.

    Ids rise with the time of issuance: behind the first that was issued later than
    ``before_us`` none can have expired before it.
    """
    listing = Listing(connection)
    found: list[str] = []
    while len(found) < limit:
        clause = (
            select(
                _c.id,
                _c.status,
                _c.not_after_us,
                _c.issued_us,
                _c.revoked_us,
                _c.issuer_id,
                _c.crl_partition,
            )
            .where(_c.id > after)
            .order_by(_c.id)
            .limit(_WINDOW)
        )
        rows = connection.execute(clause).fetchall()
        for row in rows:
            if row.issued_us > before_us:
                return found
            ended = _Ended(CertificateStatus(row.status), row.not_after_us, row.revoked_us)
            listed = listing.since(row.issuer_id, row.crl_partition)
            if may_go(ended, before_us=before_us, listed_us=listed):
                found.append(row.id)
                if len(found) == limit:
                    return found
        if len(rows) < _WINDOW:
            return found
        after = rows[-1][0]
    return found
