"""A consistent copy of the database while its server writes, and what the copy holds.

The copy is made page by page inside one read transaction: the writer never waits for it,
and it is the state of one moment. What SQLite pays for that is that its log cannot be
reused meanwhile: the copy gives up, leaving nothing, before the log has grown too far.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError

from certctl.domain.checkpoint import ChainHead, Checkpoint
from certctl.store import faults
from certctl.store.errors import StoreCorrupt, StoreUnopenable
from certctl.store.queries import checkpoints as checkpoint_queries
from certctl.store.queries import identity
from certctl.store.sqlite import plain_engine

# 4 MiB of pages between two looks at the log: some milliseconds of copying.
PAGES = 1_024

LARGEST_LOG = 4 << 30
"""Octets of the log at which a copy gives up: about 20 minutes of 200 issuances a second."""

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class SnapshotFailed(Exception):
    """No copy was made; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a copied database says about itself.

    Attributes:
        schema: revision of its tables.
        node: name of the node whose audit chain it continues.
        heads: where each audit chain ends.
        checkpoint: the last seal over them.
        ca: SHA-256 of the CA certificate by issuer id.
    """

    schema: str
    node: str
    heads: tuple[ChainHead, ...]
    checkpoint: Checkpoint | None
    ca: dict[str, bytes]


def snapshot(
    source: Path,
    target: Path,
    *,
    progress: Progress,
    largest_log: int = LARGEST_LOG,
    pages: int = PAGES,
) -> None:
    """Copy the database at ``source`` to ``target``, an empty file, durably.

    ``progress`` is told every so many ``pages``, when the log is looked at too.

    Raises:
        SnapshotFailed: the log has grown too far, the disk is full, or SQLite refuses.
    """
    log = Path(f"{source}-wal")
    size = 0

    def watch(_status: int, remaining: int, total: int) -> None:
        nonlocal size
        size = total
        progress(total - remaining, total)
        if log.exists() and log.stat().st_size > largest_log:
            raise SnapshotFailed(
                f"the log of the database has grown to {largest_log >> 20} MiB during the copy;"
                " make the backup at a quieter hour, or onto a faster disk"
            )

    try:
        with (
            closing(_connect(source, "ro")) as reading,
            closing(_connect(target, "rw")) as writing,
        ):
            # The target is a new file that is synced once, at its end.
            writing.execute("PRAGMA synchronous = OFF")
            writing.execute("PRAGMA journal_mode = OFF")
            # With a transaction open the copy stays at one moment; without one, it would
            # begin again at each commit of the server, for ever.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reading.backup(writing, pages=pages, progress=watch)
            reading.execute("ROLLBACK")
        with closing(_connect(target, "rw")) as writing:
            # One file that needs no log beside it, for whoever takes it elsewhere.
            writing.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as err:
        raise SnapshotFailed(f"the database cannot be copied: {err}") from err
    progress(size, size)
    _sync(target)


def contents(path: Path) -> Contents:
    """What the database file at ``path`` says about itself; nobody may be writing to it.

    Raises:
        StoreCorrupt, StoreUnopenable: it is no database of ours, or damaged.
    """
    engine = plain_engine(path)
    try:
        with engine.connect() as connection:
            schema = identity.schema_revision(connection)
            if not schema:
                raise StoreCorrupt(str(path), note="a database, but not of certctl")
            return Contents(
                schema=schema,
                node=identity.node_name(connection) or "",
                heads=tuple(checkpoint_queries.chain_heads(connection)),
                checkpoint=checkpoint_queries.last_checkpoint(connection),
                ca=dict(identity.ca_fingerprints(connection)),
            )
    except DBAPIError as err:
        if faults.damaged(err):
            raise StoreCorrupt(str(path), note=str(err.orig)) from err
        raise StoreUnopenable(str(path), note=str(err.orig)) from err
    except ValueError as err:
        raise StoreCorrupt(str(path), note="its last checkpoint cannot be read") from err
    finally:
        engine.dispose()


def require_whole(path: Path) -> None:
    """Read every page of the database.

    Raises:
        StoreCorrupt: pages contradict each other, or it is no database.
    """
    try:
        with closing(_connect(path, "ro")) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as err:
        raise StoreCorrupt(str(path), note=str(err)) from err
    if found != "ok":
        raise StoreCorrupt(str(path), note=str(found))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
