"""The read-only side of the store, for workers and host commands.

Each call is one statement (or a few) outside any transaction, fetched whole: it sees the
latest commit and holds no snapshot that would keep the write-ahead log from shrinking.
One thread per object.
"""

from __future__ import annotations

from certctl.store.sql.audit import AuditReads
from certctl.store.sql.certificates import CertificateReads
from certctl.store.sql.gates import GateReads
from certctl.store.sql.jobs import JobReads
from certctl.store.sql.outbox import OutboxReads
from certctl.store.sql.profiles import ProfileReads
from certctl.store.sql.requests import RequestReads


class SqlRecords(
    CertificateReads,
    GateReads,
    RequestReads,
    AuditReads,
    ProfileReads,
    JobReads,
    OutboxReads,
):
    """``ports.Records`` over SQLAlchemy Core; made by ``engine.open_records``.

    Every method raises StoreUnavailable while the database cannot be read, and works
    again by itself when it can.
    """
