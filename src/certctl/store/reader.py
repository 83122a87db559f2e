"""The read-only side of the store, for workers and host commands.

Each call is one statement (or a few) outside any transaction, fetched whole: it sees the
latest commit and holds no snapshot that would keep the write-ahead log from shrinking.
One thread per object.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy.engine import Engine

from certctl.domain.lockout import Lockout
from certctl.store.queries import lockouts as lockout_queries
from certctl.store.sql.api_keys import ApiKeyReads
from certctl.store.sql.audit import AuditReads
from certctl.store.sql.certificates import CertificateReads
from certctl.store.sql.facts import FactReads
from certctl.store.sql.figures import FigureReads
from certctl.store.sql.gates import GateReads
from certctl.store.sql.inspection import InspectionReads
from certctl.store.sql.intents import IntentReads
from certctl.store.sql.issuers import IssuerReads
from certctl.store.sql.jobs import JobReads
from certctl.store.sql.outbox import OutboxReads
from certctl.store.sql.profiles import ProfileReads
from certctl.store.sql.requests import RequestReads
from certctl.store.sql.retention import RetentionReads
from certctl.store.sql.search import SearchReads
from certctl.store.sql.sessions import SessionReads
from certctl.store.sql.status import StatusReads


class SqlRecords(
    CertificateReads,
    GateReads,
    RequestReads,
    IntentReads,
    AuditReads,
    ProfileReads,
    IssuerReads,
    JobReads,
    RetentionReads,
    InspectionReads,
    FactReads,
    OutboxReads,
    ApiKeyReads,
    SessionReads,
    FigureReads,
    SearchReads,
    StatusReads,
):
    """``ports.Records`` and ``ports.FactReads`` over SQLAlchemy Core, of ``open_records``.

    Every method raises StoreUnavailable while the database cannot be read, and works
    again by itself when it can.
    """


LOCKED_EVERY_SECONDS: Final = 0.5


class WorkerRecords(SqlRecords):
    """For a worker: made by ``engine.open_worker_records``.

    Who is locked out is asked for twice a second, not with each password, which cost a
    worker a tenth of its time: the authority, which asks each time, judges for good. A
    worker that knows a little later only sends it some attempts more.
    """

    def __init__(self, engine: Engine, *, locked_from: int) -> None:
        super().__init__(engine)
        self._locked_from = locked_from
        self._locked: dict[str, Lockout] = {}
        self._locked_until = 0.0

    def lockout(self, source: str) -> Lockout | None:
        """The row of a source with ``locked_from`` failures or more; others are none."""
        now = time.monotonic()
        if now >= self._locked_until:
            self._locked = self._ask(lockout_queries.locked, self._locked_from)
            self._locked_until = now + LOCKED_EVERY_SECONDS
        return self._locked.get(source)
