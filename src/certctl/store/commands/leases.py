"""Keep the leases of the jobs (records §8)."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from certctl.domain.lease import Lease
from certctl.domain.ports import DuplicateKey


def put_lease(connection: Connection, lease: Lease) -> None:
    """Write one job's row, whether there was one or not.

    Raises:
        DuplicateKey: another holder has it with this fence or a higher one.
    """
    written = connection.execute(
        text(
            """
INSERT INTO leases (job, holder, fence, until_us, last_run_us, outcome)
VALUES (:job, :holder, :fence, :until_us, :last_run_us, :outcome)
ON CONFLICT (job) DO UPDATE
SET holder = excluded.holder, fence = excluded.fence, until_us = excluded.until_us,
    last_run_us = excluded.last_run_us, outcome = excluded.outcome
WHERE leases.fence < excluded.fence
OR (leases.fence = excluded.fence AND leases.holder = excluded.holder)"""
        ),
        {
            "job": lease.job,
            "holder": lease.holder,
            "fence": lease.fence,
            "until_us": lease.until_us,
            "last_run_us": lease.last_run_us,
            "outcome": lease.outcome,
        },
    )
    # Two nodes that both found no row: the WHERE lets the first of them have it.
    if written.rowcount != 1:
        raise DuplicateKey("leases.fence")
