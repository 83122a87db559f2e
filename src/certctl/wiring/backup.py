"""``backup``: everything that cannot be made again, as one file, while the server runs.

What goes in: the database as of one moment, and every file of the data directory that is
no leftover of a running process (CA keys and certificates, audit key, server key, and
whatever a later version keeps there). The file appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from certctl import __version__
from certctl.domain.clock import Clock
from certctl.issuers.atomic_write import sync_directory
from certctl.settings.schema import Settings
from certctl.store.files import database_path
from certctl.store.snapshot import contents, snapshot
from certctl.wiring import sockets
from certctl.wiring.backup_file import (
    DATABASE,
    FILES,
    Head,
    Manifest,
    Part,
    measure,
    write_backup,
)

SQLITE = "sqlite:///"

# Room that a copy must leave on its disk, for the server that may share it.
_SPARE = 64 << 20

# Nobody keeps such a thing here, and a stray core dump must not make a backup useless.
_LARGEST_FILE = 64 << 20

_PREFIX = ".certctl-backup-"
_SURELY_LOCKED_SECONDS = 60

# What a database has beside it while it is open, and what locks it.
_BESIDE_DATABASE = ("", "-wal", "-shm", "-journal", ".lock")

Stage = Callable[[str, int, int], None]
"""Told which stage runs, how much of it is done, and of how much."""


class BackupRefused(Exception):
    """There is no backup; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished backup. ``outside`` are files it depends on and does not hold."""

    manifest: Manifest
    outside: tuple[Path, ...]


def make_backup(
    settings: Settings, target: Path | None, *, keys_only: bool, clock: Clock, stage: Stage
) -> Made:
    """Write a backup to the new file ``target``, or to standard output.

    Raises:
        BackupRefused, SnapshotFailed, StoreError: nothing was left behind.
        OSError: the same, the disk is full or so.
    """
    database = judge_target(settings, target, keys_only=keys_only)
    data = settings.server.data_dir
    folder = data if target is None else target.parent
    made_us = clock()
    with _workplace(folder) as place:
        paths = {}
        if database is not None:
            _require_room(database, place)
            copy = place / "database"
            copy.touch(mode=0o600)
            snapshot(database, copy, progress=lambda done, of: stage("copying", done, of))
            paths[DATABASE] = copy
        # After the database: a key is written before what depends on it is on record.
        paths |= _files(settings)
        manifest = _manifest(paths, made_us, stage)
        with _output(target, place) as out:
            write_backup(out, manifest, paths, lambda done, of: stage("writing", done, of))
    return Made(manifest=manifest, outside=_outside(settings))


def _database(settings: Settings) -> Path:
    if not settings.server.database_url.startswith(SQLITE):
        raise BackupRefused(
            "the database is kept by PostgreSQL, whose own tools back it up: use pg_dump (or"
            " its continuous archiving) for it, and --keys-only for the files of the data"
            " directory, at the same time"
        )
    path = database_path(settings.server.database_url)
    if not path.exists():
        raise BackupRefused(f"there is no database at {path}; is CERTCTL_DATA_DIR right?")
    return path


def judge_target(settings: Settings, target: Path | None, *, keys_only: bool) -> Path | None:
    """The database to copy, if any; to be asked before the backup goes on record.

    Raises:
        BackupRefused: nothing can be written there, or there is nothing to back up.
    """
    data = settings.server.data_dir
    if not data.is_dir():
        raise BackupRefused(f"there is no {data}; is CERTCTL_DATA_DIR right?")
    database = None if keys_only else _database(settings)
    if target is not None:
        _require_good_place(target, data)
    return database


def _require_good_place(target: Path, data: Path) -> None:
    if target.exists() or target.is_symlink():
        raise BackupRefused(f"{target} is there already; choose another name")
    if not target.parent.is_dir():
        raise BackupRefused(f"the folder {target.parent} is not there")
    if data.resolve() in target.resolve().parents:
        raise BackupRefused(
            f"{target} is inside the data directory, which it would be lost with;"
            " choose a place on another disk"
        )


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A private folder beside the backup; what killed backups left there goes first."""
    for left in folder.glob(f"{_PREFIX}*"):
        _sweep(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(descriptor)


def _sweep(left: Path) -> None:
    """Remove it unless a backup that still runs holds its lock, or is about to take it."""
    try:
        descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(descriptor).st_mtime > _SURELY_LOCKED_SECONDS:
            shutil.rmtree(left)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _require_room(database: Path, folder: Path) -> None:
    """The copy and the file made of it, and a rest: a full disk would stop the server too."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    wal = Path(f"{database}-wal")
    needed = 2 * (database.stat().st_size + (wal.stat().st_size if wal.exists() else 0)) + _SPARE
    if free < needed:
        raise BackupRefused(
            f"{folder.parent} has {free >> 20} MiB free, and {needed >> 20} MiB are needed"
            " (the copy of the database, the file made of it, and a rest)"
        )


def _files(settings: Settings) -> dict[str, Path]:
    """Every file of the data directory to take, by its name in the backup.

    Never those of an open SQLite: copied one by one they are no database.
    """
    data = settings.server.data_dir
    beside = set()
    if settings.server.database_url.startswith(SQLITE):
        database = database_path(settings.server.database_url)
        # The folder may be a link, or the file.
        named = (database, database.parent.resolve() / database.name, database.resolve())
        beside = {Path(f"{each}{end}") for each in named for end in _BESIDE_DATABASE}
    found = {}
    for folder, folders, names in os.walk(data.resolve()):
        # Hidden names are unfinished writes, of ours or of a backup to standard output.
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".") and Path(folder, each) != data / sockets.RUN_DIRECTORY
        )
        for each in sorted(names):
            path = Path(folder, each)
            if each.startswith(".") or path in beside or not path.is_file():
                continue
            if path.stat().st_size > _LARGEST_FILE:
                raise BackupRefused(
                    f"{path} is larger than any file kept here; move it out of the data directory"
                )
            found[FILES + str(path.relative_to(data.resolve()))] = path
    return found


def _manifest(paths: dict[str, Path], made_us: int, stage: Stage) -> Manifest:
    parts: list[Part] = []
    for name, path in paths.items():
        parts.append(measure(name, path, lambda done, of: stage("hashing", done, of)))
    if DATABASE not in paths:
        return Manifest(made_us=made_us, certctl=__version__, parts=parts)
    found = contents(paths[DATABASE])
    seal = found.checkpoint
    return Manifest(
        made_us=made_us,
        certctl=__version__,
        parts=parts,
        schema=found.schema,
        node=found.node,
        heads=[
            Head(node=head.node, seq=head.seq, digest=head.digest.hex()) for head in found.heads
        ],
        checkpoint=(seal.number, seal.digest().hex()) if seal else None,
        ca={issuer: fingerprint.hex() for issuer, fingerprint in found.ca.items()},
    )


@contextmanager
def _output(target: Path | None, folder: Path) -> Iterator[IO[bytes]]:
    if target is None:
        with os.fdopen(os.dup(1), "wb") as out:
            yield out
        return
    unfinished = folder / "backup"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())
    # A rename would replace what somebody else has put there meanwhile; a link cannot.
    target.hardlink_to(unfinished)
    sync_directory(target.parent)


def _outside(settings: Settings) -> tuple[Path, ...]:
    """Files that the settings name elsewhere, as far as they cannot be made again."""
    named = [settings.server.tls_cert_path, settings.server.tls_key_path]
    config_key = settings.server.config_key
    named.append(config_key.path if config_key is not None else None)
    for issuer in settings.issuers:
        named += [issuer.ca_cert_path, issuer.ca_key_path]
    data = settings.server.data_dir.resolve()
    return tuple(path for path in named if path and data not in path.resolve().parents)
