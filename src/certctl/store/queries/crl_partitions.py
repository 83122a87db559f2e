"""Partitions of CRLs: which there are, and how long something of theirs is valid."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from certctl.domain.crl_partitions import CrlPartition
from certctl.store.tables import certificates, crl_partitions, crls

_c = certificates.c


def partitions(connection: Connection) -> Sequence[CrlPartition]:
    """All, by number."""
    clause = select(crl_partitions).order_by(crl_partitions.c.number)
    return [
        CrlPartition(number=row[0], base=row[1], until_us=row[2], ended_us=row[3])
        for row in connection.execute(clause).fetchall()
    ]


def end(connection: Connection, number: int) -> int:
    """See ``ports.status.StatusWrites.partition_end``.

    From the latest expiry on downwards: no index by partition, which every enrollment would
    have to keep, is needed to find one that was issued lately.
    """
    clause = (
        select(_c.not_after_us)
        .where(_c.crl_partition == number)
        .order_by(_c.not_after_us.desc(), _c.id.desc())
        .limit(1)
    )
    return connection.execute(clause).scalar() or 0


def listed_us(connection: Connection, number: int) -> int | None:
    """See ``ports.status.StatusWrites.partition_listed_us``."""
    of_partition = crls.c.scope.like(f"%/{number}")
    return connection.execute(select(func.min(crls.c.listed_us)).where(of_partition)).scalar()
