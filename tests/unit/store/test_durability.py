"""What happens to a store when the disk is full, or its writer is killed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from certctl.domain.audit import Counter
from certctl.domain.errors import StoreUnavailable
from certctl.store import SqlStore, open_records, open_writable
from tests.contract.samples import certificate, digest, event
from tests.unit.store.conftest import Program, line


def fill(store: SqlStore, first: int, count: int) -> None:
    with store.transaction() as transaction:
        transaction.append_events([event(first)])
        transaction.record_certificates(
            [certificate(number, der=bytes(4000)) for number in range(first, first + count)]
        )
        transaction.add_counts("one", {("demo", Counter.SUCCESS_SIMPLEENROLL): count})


def limit_pages(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA max_page_count = 100")


def test_a_full_database_refuses_and_recovers(url: str):
    store = open_writable(url, node="one")
    records = open_records(url)
    fill(store, 1, 1)
    # Each new connection has to live with the limit until it is taken away.
    sqlalchemy_event.listen(store._engine, "connect", limit_pages)
    store.drop()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            fill(store, 2, 200)
    assert [found.id for found in records.certificates()] == [certificate(1).id]
    assert len(records.events()) == 1
    sqlalchemy_event.remove(store._engine, "connect", limit_pages)
    store.drop()
    fill(store, 2, 200)
    assert len(records.certificates(limit=500)) == 201
    assert records.counts() == {("demo", Counter.SUCCESS_SIMPLEENROLL): 201}
    records.close()
    store.close()


def swallow(store: SqlStore) -> None:
    with store.transaction() as transaction:
        transaction.append_events([event(1)])
        with pytest.raises(StoreUnavailable):
            transaction.record_certificates(
                [certificate(number, der=bytes(4000)) for number in range(1, 200)]
            )


def test_a_full_database_spoils_the_transaction_even_if_swallowed(url: str):
    store = open_writable(url, node="one")
    sqlalchemy_event.listen(store._engine, "connect", limit_pages)
    with pytest.raises(StoreUnavailable):
        swallow(store)
    records = open_records(url)
    assert records.events() == []
    records.close()
    store.close()


def test_writes_that_fail_on_the_disk(program: Program):
    """The kernel refuses to let files grow; afterwards it allows it again."""
    process = program(
        """
import resource, signal
from certctl.domain.errors import StoreUnavailable
store = open_writable(url, node="one")
records = open_records(url)
def fill(number):
    with store.transaction() as transaction:
        transaction.append_events([event(number)])
        transaction.record_certificates([certificate(number, der=bytes(100_000))])
fill(1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
refused = 0
for number in range(2, 12):
    try:
        fill(number)
    except StoreUnavailable:
        refused += 1
kept = len(records.certificates())
resource.setrlimit(resource.RLIMIT_FSIZE, before)
fill(20)
print(refused > 5, kept == 11 - refused, len(records.certificates()) == kept + 1,
      len(records.events()) == kept + 1, flush=True)
store.close()
"""
    )
    assert line(process) == "True True True True"


def test_a_locked_database_refuses_and_recovers(url: str, tmp_path: Path):
    store = open_writable(url, node="one")
    intruder = sqlite3.connect(tmp_path / "certctl.db", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        fill(store, 1, 1)
    intruder.execute("ROLLBACK")
    intruder.close()
    fill(store, 1, 1)
    store.close()


def killed_in_the_middle(program: Program) -> None:
    process = program(
        """
store = open_writable(url, node="one")
with store.transaction() as transaction:
    transaction.record_certificates([certificate(1)])
    transaction.append_events([event(1)])
with store.transaction() as transaction:
    # More than the cache holds, so that pages of the transaction are in the log already.
    transaction.record_certificates(
        [certificate(number, der=bytes(50_000)) for number in range(2, 1000)])
    transaction.append_events([event(2)])
    print("written", flush=True)
    input()
"""
    )
    assert line(process) == "written"
    process.kill()
    process.wait(10)


@pytest.mark.parametrize("reader_first", [False, True])
def test_a_killed_writer_leaves_what_was_committed(
    url: str, program: Program, tmp_path: Path, *, reader_first: bool
):
    killed_in_the_middle(program)
    if reader_first:
        records = open_records(url)
        assert records.certificates() == [certificate(1)]
        records.close()
    store = open_writable(url, node="one")
    records = open_records(url)
    assert records.certificates() == [certificate(1)]
    assert records.events() == [event(1)]
    with store.transaction() as transaction:
        transaction.append_events([event(2)])
    assert records.events() == [event(1), event(2)]
    records.close()
    store.close()
    database = sqlite3.connect(tmp_path / "certctl.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_the_log_does_not_grow_without_bound(url: str, tmp_path: Path):
    log = tmp_path / "certctl.db-wal"
    store = open_writable(url, node="one")
    reader = sqlite3.connect(tmp_path / "certctl.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT n FROM counters").fetchall()
    number = 1
    # A reader that stays holds the log for as long as it stays …
    while log.stat().st_size < 80 << 20:
        fill(store, number, 500)
        number += 500
    reader.execute("COMMIT")
    reader.close()
    # … and no longer.
    for _ in range(3):
        fill(store, number, 1)
        number += 1
    assert log.stat().st_size <= 64 << 20
    store.close()


def test_a_store_that_is_closed_can_be_opened_again(url: str):
    for number in range(1, 4):
        store = open_writable(url, node="one")
        fill(store, number, 1)
        store.bind_ca("iss-local", digest("ca"))
        store.close()
    records = open_records(url)
    assert len(records.events()) == 3
    records.close()
