"""Opening a store: modes, lock, damage, schema."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from certctl.store import (
    SchemaOutdated,
    SchemaTooNew,
    StoreCorrupt,
    StoreExposed,
    StoreInUse,
    StoreUnopenable,
    open_records,
    open_writable,
)
from tests.contract.samples import certificate, digest, event
from tests.unit.store.conftest import Program, line


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def made(url: str, tmp_path: Path) -> Path:
    """A closed store with some rows in it."""
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.record_certificates([certificate(number) for number in range(1, 101)])
        transaction.append_events([event(seq) for seq in range(1, 101)])
    store.close()
    return tmp_path / "certctl.db"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("mysql://user:hunter2@localhost/x", "neither sqlite"),
        ("postgresql://user:hunter2@127.0.0.1:1/x", "refused"),
        ("postgresql://user:hunter2@127.0.0.1:1/", "name a database"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///file:x?mode=memory", "name a file"),
        ("sqlite:///certctl.db?mode=hunter2", "no options"),
        ("sqlite://user:hunter2@/", "name a file"),
        ("no url, hunter2", "not a URL"),
        ("sqlite:////nowhere/at/all/certctl.db", "folder"),
    ],
)
def test_other_places_are_refused(bad: str, said: str):
    for opening in (lambda: open_writable(bad, node="one"), lambda: open_records(bad)):
        with pytest.raises(StoreUnopenable, match=said) as refused:
            opening()
        assert "hunter2" not in str(refused.value)


def test_everything_beside_the_database_is_private(url: str, tmp_path: Path):
    store = open_writable(url, node="one")
    with store.transaction() as transaction:
        transaction.append_events([event(1)])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert set(modes) == {
        "certctl.db",
        "certctl.db-wal",
        "certctl.db-shm",
        "certctl.db.lock",
    }
    assert set(modes.values()) == {0o600}


def test_a_place_with_odd_letters(tmp_path: Path):
    folder = tmp_path / "a b%20#ü&x?y"
    folder.mkdir()
    store = open_writable(f"sqlite:///{quote(str(folder))}/c d.db", node="one")
    store.close()
    assert (folder / "c d.db").stat().st_size > 0
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666])
def test_a_file_open_to_others_is_refused(url: str, made: Path, mode: int):
    made.chmod(mode)
    with pytest.raises(StoreExposed, match="chmod 0600") as refused:
        open_writable(url, node="one")
    assert refused.value.mode == mode
    made.chmod(0o640)
    open_writable(url, node="one").close()


def test_a_folder_in_the_place_of_the_file_is_refused(url: str, tmp_path: Path):
    (tmp_path / "certctl.db").mkdir()
    with pytest.raises(StoreUnopenable):
        open_writable(url, node="one")


def test_a_refused_opening_leaves_no_lock(url: str, made: Path):
    made.chmod(0o604)
    with pytest.raises(StoreExposed):
        open_writable(url, node="one")
    made.chmod(0o600)
    open_writable(url, node="one").close()


def test_a_second_server_is_refused(url: str, program: Program):
    other = program("store = open_writable(url, node='one'); print('open', flush=True); input()")
    assert line(other) == "open"
    with pytest.raises(StoreInUse) as refused:
        open_writable(url, node="one")
    assert refused.value.pid == other.pid
    other.kill()
    other.wait(10)
    open_writable(url, node="one").close()


def test_another_name_of_the_same_file_is_refused(url: str, tmp_path: Path):
    store = open_writable(url, node="one")
    (tmp_path / "other.db").symlink_to(tmp_path / "certctl.db")
    with pytest.raises(StoreInUse) as refused:
        open_writable(f"sqlite:///{tmp_path}/other.db", node="one")
    assert refused.value.pid == os.getpid()
    store.close()


def test_a_file_that_is_no_database(url: str, tmp_path: Path):
    path = tmp_path / "certctl.db"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" * 500)
    path.chmod(0o600)
    with pytest.raises(StoreCorrupt, match="not a database"):
        open_writable(url, node="one")
    with pytest.raises(StoreCorrupt, match="not a database"):
        open_records(url)
    assert path.read_bytes().startswith(b"-----BEGIN")


def test_a_database_of_somebody_else(url: str, tmp_path: Path):
    path = tmp_path / "certctl.db"
    change(path, "CREATE TABLE songs (title TEXT)")
    path.chmod(0o600)
    with pytest.raises(StoreCorrupt, match="not of certctl"):
        open_writable(url, node="one")
    with pytest.raises(StoreCorrupt, match="not of certctl"):
        open_records(url)


def test_a_file_cut_short(url: str, made: Path):
    os.truncate(made, 8192)
    with pytest.raises(StoreCorrupt):
        open_writable(url, node="one")


def test_a_file_with_a_hole(url: str, made: Path):
    size = made.stat().st_size
    with made.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StoreCorrupt):
        open_writable(url, node="one")


def test_damage_in_one_table_is_told_at_the_start(url: str, made: Path):
    database = sqlite3.connect(made)
    page, size = database.execute(
        "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size"
        " WHERE name = 'certificates'"
    ).fetchone()
    database.close()
    with made.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * size)
    with pytest.raises(StoreCorrupt, match="malformed"):
        open_writable(url, node="one")


def test_a_newer_schema_is_refused(url: str, made: Path):
    change(made, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew) as refused:
        open_writable(url, node="one")
    assert refused.value.found == "9999"
    with pytest.raises(SchemaTooNew):
        open_records(url)


def test_readers_never_migrate(url: str, tmp_path: Path):
    path = tmp_path / "certctl.db"
    path.touch(0o600)
    with pytest.raises(SchemaOutdated):
        open_records(url)
    assert path.stat().st_size == 0


def test_readers_never_make_a_file(url: str, tmp_path: Path):
    with pytest.raises(StoreUnopenable):
        open_records(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("made")
def test_a_store_keeps_its_node_its_ca_and_its_rows(url: str):
    store = open_writable(url, node="renamed")
    assert store.node == "one"
    store.bind_ca("iss-local", digest("ca"))
    store.close()
    store = open_writable(url, node="one")
    assert store.ca_fingerprint("iss-local") == digest("ca")
    with store.transaction() as transaction:
        assert transaction.last_event("one") == event(100)
    store.close()


def test_settings_of_the_database(url: str):
    store = open_writable(url, node="one")
    connection = store.begin()
    settings = {
        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
        for name in ("journal_mode", "synchronous", "foreign_keys", "journal_size_limit")
    }
    store.end()
    store.close()
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "journal_size_limit": 64 << 20,
    }
