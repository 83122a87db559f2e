"""One store of each kind, written and read through the ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certctl.store import (
    MemoryStore,
    SqlRecords,
    SqlStore,
    open_records,
    open_writable,
)
from tests.harness.postgres import PrivatePostgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both sides of one store; each sees what the other does."""

    store: SqlStore | MemoryStore
    records: SqlRecords | MemoryStore


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    if request.param == "memory":
        memory = MemoryStore(node="one")
        yield Pair(store=memory, records=memory)
        return
    url = f"sqlite:///{tmp_path}/certctl.db"
    if request.param == "postgres":
        postgres: PrivatePostgres = request.getfixturevalue("postgres")
        url = postgres.migrated()
    store = open_writable(url, node="one")
    records = open_records(url)
    yield Pair(store=store, records=records)
    records.close()
    store.close()
