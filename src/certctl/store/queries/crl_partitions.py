"""Partitions of CRLs: which there are, and how long something of theirs is valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from certctl.domain.crl_partitions import CrlPartition
from certctl.store.tables import certificates, crl_partitions, crls

_c = certificates.c

NEWEST: Final = 10_000


def partitions(connection: Connection) -> Sequence[CrlPartition]:
    """All, by number."""
    clause = select(crl_partitions).order_by(crl_partitions.c.number)
    return [
        CrlPartition(number=row[0], base=row[1], until_us=row[2], ended_us=row[3])
        for row in connection.execute(clause).fetchall()
    ]


def last_expiry_us(connection: Connection) -> int:
    """See ``ports.status.StatusWrites.last_expiry_us``."""
    return connection.execute(select(func.max(_c.not_after_us))).scalar() or 0


def lately_filled(connection: Connection) -> Mapping[int, int]:
    """See ``ports.status.StatusWrites.lately_filled``.

    All of them would take an index by partition, which every enrollment had to keep.
    """
    newest = select(_c.crl_partition, _c.not_after_us).order_by(_c.id.desc()).limit(NEWEST)
    rows = newest.subquery().c
    clause = (
        select(rows.crl_partition, func.max(rows.not_after_us))
        .where(rows.crl_partition.is_not(None))
        .group_by(rows.crl_partition)
    )
    return {row[0]: row[1] for row in connection.execute(clause).fetchall()}


def listed_us(connection: Connection, number: int) -> int | None:
    """See ``ports.status.StatusWrites.partition_listed_us``."""
    of_partition = crls.c.scope.like(f"%/{number}")
    return connection.execute(select(func.min(crls.c.listed_us)).where(of_partition)).scalar()
