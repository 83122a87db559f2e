"""The store: everything on record, behind the ports of ``certctl.domain.ports``.

The only package that knows SQL. One process per node writes (``open_writable``), others
read (``open_records``); ``MemoryStore`` is both in memory, for tests and trials.
"""

from __future__ import annotations

from certctl.store.engine import (
    migrate_store,
    open_records,
    open_worker_records,
    open_writable,
)
from certctl.store.errors import (
    CaMismatch,
    CommandRefused,
    ConfigKeyMismatch,
    NodeInUse,
    PepperMismatch,
    SchemaOutdated,
    SchemaTooNew,
    StoreAway,
    StoreCorrupt,
    StoreError,
    StoreExposed,
    StoreInUse,
    StoreNotDurable,
    StoreUnopenable,
)
from certctl.store.memory import MemoryStore
from certctl.store.reader import SqlRecords
from certctl.store.writer import SqlStore

__all__ = [
    "CaMismatch",
    "CommandRefused",
    "ConfigKeyMismatch",
    "MemoryStore",
    "NodeInUse",
    "PepperMismatch",
    "SchemaOutdated",
    "SchemaTooNew",
    "SqlRecords",
    "SqlStore",
    "StoreAway",
    "StoreCorrupt",
    "StoreError",
    "StoreExposed",
    "StoreInUse",
    "StoreNotDurable",
    "StoreUnopenable",
    "migrate_store",
    "open_records",
    "open_worker_records",
    "open_writable",
]
