"""The copy of a database that is written to meanwhile: one moment, and nobody waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from certctl.store import SqlStore, StoreCorrupt, open_writable
from certctl.store.snapshot import SnapshotFailed, contents, require_whole, snapshot
from tests.contract.samples import certificate, event

ROWS = 200


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    made = open_writable(url, node="one")
    record(made, *range(1, ROWS + 1))
    yield made
    made.close()


def record(store: SqlStore, *numbers: int) -> None:
    with store.transaction() as transaction:
        transaction.record_certificates([certificate(number) for number in numbers])
        transaction.append_events([event(number) for number in numbers])


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM certificates").fetchone()[0])


def copied(tmp_path: Path, told: Callable[[int, int], None], *, largest_log: int = 1 << 30) -> Path:
    target = tmp_path / "copy"
    target.touch()
    snapshot(
        tmp_path / "certctl.db",
        target,
        progress=told,
        largest_log=largest_log,
        pages=1,
    )
    return target


def test_what_is_committed_meanwhile_neither_waits_nor_gets_in(store: SqlStore, tmp_path: Path):
    """A copy without its own moment would begin again at each of these commits."""
    steps: list[int] = []

    def meanwhile(done: int, _of: int) -> None:
        steps.append(done)
        if len(steps) <= 50:
            record(store, ROWS + len(steps))

    target = copied(tmp_path, meanwhile)

    assert steps == sorted(steps), "it never began again"
    assert rows(target) == ROWS
    assert rows(tmp_path / "certctl.db") == ROWS + 50
    require_whole(target)
    found = contents(target)
    assert (found.node, found.heads[0].seq) == ("one", ROWS)
    assert not Path(f"{target}-wal").exists() or not Path(f"{target}-wal").stat().st_size


def test_it_gives_up_before_the_log_grows_too_far(store: SqlStore, tmp_path: Path):
    with pytest.raises(SnapshotFailed, match="quieter hour"):
        copied(tmp_path, lambda *_: None, largest_log=1)
    record(store, ROWS + 1)


@pytest.mark.parametrize("octets", [b"", b"no database" * 1_000])
def test_a_file_that_is_none_is_corrupt(tmp_path: Path, octets: bytes):
    path = tmp_path / "other"
    path.write_bytes(octets)
    with pytest.raises(StoreCorrupt):
        contents(path)
