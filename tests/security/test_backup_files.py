"""Backups that were damaged, made up or belong to another CA: refused, and nothing is left."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.commands import data_of, run_command
from tests.harness.server import RunningServer, configured_server

SETTINGS = {"EST_PROFILES": "open", "EST_PROFILE_OPEN_ISSUER_ID": "iss-local", "WORKERS": "1"}

Parts = dict[str, bytes]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("taken")
    with configured_server(directory, SETTINGS) as server:
        target = directory / "good.backup"
        assert run_command(server, "backup", str(target)).returncode == 0
    return target


def unpacked(path: Path) -> Parts:
    with tarfile.open(path) as archive:
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }


def packed(path: Path, parts: Parts) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, octets in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            archive.addfile(member, io.BytesIO(octets))


def with_manifest(parts: Parts, change: Callable[[dict[str, object]], object]) -> Parts:
    """A forged manifest: its own hash fits."""
    manifest = json.loads(parts["manifest"].partition(b"\n")[2])
    change(manifest)
    text = json.dumps(manifest).encode()
    head = f"certctl backup 1 {hashlib.sha256(text).hexdigest()}\n".encode()
    return parts | {"manifest": head + text}


def resealed(parts: Parts) -> Parts:
    """Sizes and hashes of the manifest made to fit what the parts hold now."""

    def fit(manifest: dict[str, object]) -> None:
        listed = manifest["parts"]
        assert isinstance(listed, list)
        for part in listed:
            octets = parts[part["name"]]
            part["size"], part["sha256"] = len(octets), hashlib.sha256(octets).hexdigest()

    return with_manifest(parts, fit)


def changed(database: bytes, folder: Path, *statements: str) -> bytes:
    path = folder / "changed.db"
    path.write_bytes(database)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path.read_bytes()


def flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def refused(taken: Path, folder: Path, octets: bytes, words: str) -> None:
    bad = folder / "bad.backup"
    bad.write_bytes(octets)
    server: RunningServer = configured_server(folder, SETTINGS)
    done = run_command(server, "restore", str(bad))
    assert done.returncode == 1, done.stdout
    assert "nothing was restored" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not data_of(server).exists(), "nothing half done"
    assert taken.exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda _: b"", "no tar file, or is cut short"),
        (lambda _: b"not a backup\n" * 10_000, "no tar file, or is cut short"),
        (lambda octets: octets[:700], "cut short"),
        (lambda octets: octets[: len(octets) // 2], "cut short"),
        (lambda octets: flipped(octets, 600), "its manifest was changed"),
        (lambda octets: flipped(octets, 50_000), "database was changed: its hash does not fit"),
        (lambda octets: octets.replace(b"files/audit.key", b"files/audit.kez", 1), "changed"),
    ],
)
def test_a_damaged_file_is_named(
    taken: Path, tmp_path: Path, damage: Callable[[bytes], bytes], words: str
):
    refused(taken, tmp_path, damage(taken.read_bytes()), words)


def forged(taken: Path, folder: Path, parts: Parts, words: str) -> None:
    packed(folder / "forged", parts)
    refused(taken, folder, (folder / "forged").read_bytes(), words)


def test_a_part_left_out_or_added_is_named(taken: Path, tmp_path: Path):
    parts = unpacked(taken)
    without = {name: octets for name, octets in parts.items() if name != "files/audit.key"}
    forged(taken, tmp_path, without, "files/audit.key is missing")
    forged(taken, tmp_path, parts | {"files/more": b"x"}, "goes on after its last part")
    forged(taken, tmp_path, {"other": b"x"}, "does not begin with the manifest")


@pytest.mark.parametrize("name", ["files/../../evil", "/etc/evil", "files/.hidden", "files//x"])
def test_a_name_that_leads_elsewhere_is_refused(taken: Path, tmp_path: Path, name: str):
    def lead_away(manifest: dict[str, object]) -> None:
        listed = manifest["parts"]
        assert isinstance(listed, list)
        listed[-1]["name"] = name

    forged(taken, tmp_path, with_manifest(unpacked(taken), lead_away), "no backup has")
    assert not (tmp_path / "evil").exists()


def test_the_key_of_another_ca_is_refused(taken: Path, tmp_path: Path):
    """Hashes that fit do not make a backup true: CA, key and records must be of one piece."""
    (tmp_path / "other").mkdir()
    other = configured_server(tmp_path / "other", SETTINGS)
    with other:
        pass
    data = data_of(other)
    key = {"files/ca-iss-local.key": (data / "ca-iss-local.key").read_bytes()}
    pem = {"files/ca-iss-local.pem": (data / "ca-iss-local.pem").read_bytes()}
    parts = unpacked(taken)
    forged(taken, tmp_path, resealed(parts | key), "does not belong to its certificate")
    forged(taken, tmp_path, resealed(parts | key | pem), "is not the CA on record")


def test_records_that_were_changed_are_refused(taken: Path, tmp_path: Path):
    parts = unpacked(taken)
    database = parts["database"]
    rewritten = changed(
        database,
        tmp_path,
        "DROP TRIGGER audit_events_no_update",
        "UPDATE audit_events SET actor = 'nobody' WHERE seq = 1",
    )
    forged(taken, tmp_path, resealed(parts | {"database": rewritten}), "was changed")
    newer = changed(database, tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    forged(taken, tmp_path, resealed(parts | {"database": newer}), "newer")
    foreign = changed(database, tmp_path, "DROP TABLE alembic_version")
    forged(taken, tmp_path, resealed(parts | {"database": foreign}), "not of certctl")
    torn = database[:40_960] + b"\xff" * 4_096 + database[45_056:]
    forged(taken, tmp_path, resealed(parts | {"database": torn}), "cannot be used")
