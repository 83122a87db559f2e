"""The form of a backup: a tar file that begins with its manifest.

``manifest`` is one line with the format's name and the SHA-256 of the JSON after it;
then follow the parts in the order that the manifest lists them, each with its own hash.
So it can be written to and read from a pipe, and any tar shows what is in it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from certctl.domain.clock import SECOND_US

MAGIC = "certctl backup 1"
MANIFEST = "manifest"
DATABASE = "database"
"""Name of the part that is the database; the others lie below ``FILES``."""
FILES = "files/"

_BLOCK = 1 << 20
_MOST_MANIFEST = 4 << 20
_WORD = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{DATABASE}|{FILES}{_WORD}(?:/{_WORD})*")

Progress = Callable[[int, int], None]
"""Told how many octets are done, and of how many."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file in the backup; ``mode`` are its permission bits."""

    name: str
    size: int
    sha256: str
    mode: int = 0o600


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where one node's audit chain ended; ``digest`` is hexadecimal."""

    node: str
    seq: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of.

    Attributes:
        made_us: when copying began; everything that was answered before is in it.
        certctl: version of the program that made it.
        schema: with ``node``, ``heads``, ``ca`` as ``store.snapshot.Contents`` has them;
            all empty in a backup without database.
        checkpoint: number and digest (hexadecimal) of the last seal.
    """

    made_us: int
    certctl: str
    parts: list[Part]
    schema: str = ""
    node: str = ""
    heads: list[Head] = []
    checkpoint: tuple[int, str] | None = None
    ca: dict[str, str] = {}

    @property
    def octets(self) -> int:
        return sum(part.size for part in self.parts)


class BackupDamaged(Exception):
    """Not a backup, or not a whole one; the text names what is wrong."""


def measure(name: str, path: Path, progress: Progress) -> Part:
    """A file as the manifest lists it."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        counted = _Counted(file, progress, 0, status.st_size)
        while counted.read(_BLOCK):
            pass
    return Part(name=name, size=counted.size, sha256=counted.sha256, mode=status.st_mode & 0o777)


def write_backup(
    out: IO[bytes], manifest: Manifest, paths: dict[str, Path], progress: Progress
) -> None:
    """Write all parts, each from its path.

    Raises:
        OSError: the disk is full, or a part has changed since it was measured.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    text = f"{MAGIC} {hashlib.sha256(text).hexdigest()}\n".encode() + text
    done = 0
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_member(MANIFEST, len(text), 0o600, manifest), io.BytesIO(text))
        for part in manifest.parts:
            with paths[part.name].open("rb") as file:
                counted = _Counted(file, progress, done, manifest.octets)
                archive.addfile(_member(part.name, part.size, part.mode, manifest), counted)
            if counted.sha256 != part.sha256:
                raise OSError(f"{paths[part.name]} has changed while it was copied")
            done += part.size


def read_backup(source: IO[bytes], place: Callable[[Part], Path], progress: Progress) -> Manifest:
    """Read a backup, writing each part to the new file that ``place`` names for it.

    Raises:
        BackupDamaged: no backup of ours, changed, or cut short.
        OSError: a part cannot be written.
    """
    try:
        with tarfile.open(fileobj=source, mode="r|") as archive:
            manifest = _read_manifest(archive, archive.next())
            done = 0
            for part in manifest.parts:
                counted = _open_part(archive, archive.next(), part, progress, done, manifest.octets)
                _write_part(counted, place(part), part)
                done += part.size
            if archive.next() is not None:
                raise BackupDamaged("it goes on after its last part")
    except (tarfile.TarError, EOFError) as err:
        raise BackupDamaged(f"it is no tar file, or is cut short ({err})") from err
    return manifest


def _read_manifest(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> Manifest:
    file = archive.extractfile(member) if member is not None else None
    if member is None or member.name != MANIFEST or file is None or member.size > _MOST_MANIFEST:
        raise BackupDamaged("it does not begin with the manifest of a backup")
    line, _, text = file.read().partition(b"\n")
    magic, _, digest = line.decode(errors="replace").rpartition(" ")
    if magic != MAGIC:
        raise BackupDamaged("its manifest is not of this version's form")
    if hashlib.sha256(text).hexdigest() != digest:
        raise BackupDamaged("its manifest was changed: the hash does not fit")
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as err:
        raise BackupDamaged(f"its manifest cannot be read: {err}") from err
    names = [part.name for part in manifest.parts]
    for name in names:
        if not _NAME.fullmatch(name):
            raise BackupDamaged(f"its manifest names a part that no backup has: {name!r}")
    if len(set(names)) != len(names):
        raise BackupDamaged("its manifest names a part twice")
    return manifest


def _open_part(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo | None,
    part: Part,
    progress: Progress,
    done: int,
    total: int,
) -> _Counted:
    file = archive.extractfile(member) if member is not None and member.isreg() else None
    if member is None or file is None or member.name != part.name:
        raise BackupDamaged(f"{part.name} is missing in it")
    if member.size != part.size:
        raise BackupDamaged(f"{part.name} has {member.size} octets instead of {part.size}")
    return _Counted(file, progress, done, total)


def _write_part(counted: _Counted, path: Path, part: Part) -> None:
    # Nobody else may read a key, not even for the moment until its mode is set.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := counted.read(_BLOCK):
            file.write(block)
        if counted.size != part.size or counted.sha256 != part.sha256:
            raise BackupDamaged(f"{part.name} was changed: its hash does not fit")
        file.flush()
        # Backups are written by us, but a mode that opens a key to others is never set.
        os.fchmod(file.fileno(), part.mode & 0o644)
        os.fsync(file.fileno())


def _member(name: str, size: int, mode: int, manifest: Manifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, manifest.made_us // SECOND_US
    return member


class _Counted(io.RawIOBase):
    """A file that is hashed and counted as it is read."""

    def __init__(self, file: IO[bytes], progress: Progress, before: int, total: int) -> None:
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256()
        self._tell: Callable[[int], None] = lambda size: progress(before + size, total)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        block = self._file.read(size)
        self._digest.update(block)
        self.size += len(block)
        self._tell(self.size)
        return block
