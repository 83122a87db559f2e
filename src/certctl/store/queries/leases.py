"""Read the leases of the jobs (records §8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from certctl.domain.lease import Lease
from certctl.store.statement import ours
from certctl.store.tables import leases


def lease(connection: Connection, job: str) -> Lease | None:
    """A job's row, ours from now on."""
    rows = connection.execute(ours(select(leases).where(leases.c.job == job))).fetchall()
    return _lease(rows[0]) if rows else None


def all_leases(connection: Connection) -> Sequence[Lease]:
    """Every job that ever ran, in order of name."""
    return [
        _lease(row) for row in connection.execute(select(leases).order_by(leases.c.job)).fetchall()
    ]


def _lease(row: Sequence[Any]) -> Lease:
    return Lease(
        job=row[0],
        holder=row[1],
        fence=row[2],
        until_us=row[3],
        last_run_us=row[4],
        outcome=row[5],
    )
