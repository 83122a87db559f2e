"""Keep partitions of CRLs; one on record stays there."""

from __future__ import annotations

from sqlalchemy import insert, update
from sqlalchemy.engine import Connection

from certctl.domain.crl_partitions import CrlPartition
from certctl.store.tables import crl_partitions


def add(connection: Connection, partition: CrlPartition) -> None:
    connection.execute(
        insert(crl_partitions).values(
            number=partition.number,
            base=partition.base,
            until_us=partition.until_us,
            ended_us=partition.ended_us,
        )
    )


def change(connection: Connection, partition: CrlPartition) -> None:
    connection.execute(
        update(crl_partitions)
        .where(crl_partitions.c.number == partition.number)
        .values(until_us=partition.until_us, ended_us=partition.ended_us)
    )
