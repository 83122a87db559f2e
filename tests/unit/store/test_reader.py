"""Read-only connections of workers, while the authority comes and goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from certctl.domain.errors import StoreUnavailable
from certctl.store import SqlRecords, open_records, open_writable
from tests.contract.samples import certificate, event
from tests.unit.store.conftest import Program, line


def write(records: SqlRecords, statement: str) -> None:
    records._ask(lambda connection: connection.execute(text(statement)))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM certificates",
        "CREATE TABLE x (y TEXT)",
        "CREATE TEMPORARY TABLE x (y TEXT)",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ],
)
def test_a_reader_cannot_write(url: str, tmp_path: Path, statement: str):
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.record_certificates([certificate(1)])
    records = open_records(url)
    before = (tmp_path / "certctl.db").stat().st_mtime_ns
    with pytest.raises(StoreUnavailable):
        write(records, statement)
    assert (tmp_path / "certctl.db").stat().st_mtime_ns == before
    assert records.certificates() == [certificate(1)]
    records.close()
    store.close()


def test_a_reader_sees_commits_of_another_process(url: str, program: Program):
    writer = program(
        """
store = open_writable(url, node="one")
print("open", flush=True)
for seq in range(1, 4):
    input()
    with store.transaction() as transaction:
        transaction.append_events([event(seq)])
    print(seq, flush=True)
input()
"""
    )
    assert line(writer) == "open"
    records = open_records(url)
    assert writer.stdin is not None
    for seq in range(1, 4):
        writer.stdin.write("\n")
        writer.stdin.flush()
        assert line(writer) == str(seq)
        assert records.events() == [event(number) for number in range(1, seq + 1)]
    records.close()


@pytest.mark.parametrize("ending", ["kill", "close"])
def test_a_reader_lives_through_writers(url: str, program: Program, ending: str):
    open_writable(url, node="one").close()
    records = open_records(url)
    assert records.events() == []
    for seq in range(1, 6):
        writer = program(
            f"""
store = open_writable(url, node="one")
with store.transaction() as transaction:
    transaction.append_events([event({seq})])
if {ending == "close"}:
    store.close()
print("done", flush=True)
input()
"""
        )
        assert line(writer) == "done"
        assert records.events()[-1] == event(seq)
        writer.kill()
        writer.wait(10)
        assert len(records.events()) == seq
    records.close()


def test_a_reader_lives_through_checkpoints(url: str, tmp_path: Path):
    store = open_writable(url, node="one")
    records = open_records(url)
    log = tmp_path / "certctl.db-wal"
    for seq in range(1, 40):
        with store.transaction() as transaction:
            transaction.append_events([event(seq)])
            transaction.record_certificates([certificate(seq, der=os.urandom(600_000))])
        assert len(records.events()) == seq
        assert records.certificate(certificate(seq).id) is not None
    # 24 MB went through a log that is moved into the database at 16.
    assert (tmp_path / "certctl.db").stat().st_size > 8 << 20
    assert log.stat().st_size < 20 << 20
    records.close()
    store.close()


def test_a_closed_store_is_opened_by_a_reader_alone(url: str, tmp_path: Path):
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.append_events([event(1)])
    store.close()
    assert not (tmp_path / "certctl.db-wal").exists()
    records = open_records(url)
    assert records.events() == [event(1)]
    records.close()
