"""The store of this node: which database, under which node name, and whether it is ours."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from certctl.issuers.atomic_write import write_file
from certctl.settings.schema import Settings
from certctl.store import SqlStore, StoreError, StoreUnopenable, open_writable
from certctl.store.files import database_path
from certctl.store.url import is_postgres

NODE_FILE = "node"
"""In the data directory: the node's name on a database that several nodes share."""

UNFINISHED_RESTORE = ".restore"
"""Folder in the data directory in which a restore unpacks; gone when it is complete."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RecordsLost(StoreError):
    """There is a CA here and no database: starting would forget every certificate."""


def open_store(settings: Settings) -> SqlStore:
    """Open it for writing, as this node.

    Raises:
        RecordsLost: a CA is here and the database is new, or a restore was cut short; the
            text names the ways out.
        StoreError: it cannot be opened.
    """
    unfinished = settings.server.data_dir / UNFINISHED_RESTORE
    if unfinished.exists():
        raise RecordsLost(
            f"{unfinished} is there: a restore was cut short. Empty"
            f" {settings.server.data_dir} and restore again."
        )
    url = settings.server.database_url
    keys = sorted(settings.server.data_dir.glob("ca-*.key"))
    if not is_postgres(url):
        path = database_path(url)
        if keys and not path.exists():
            raise _lost(f"{path} is missing", keys[0])
        return open_writable(url, node=_new_name())
    store = open_writable(url, node=node_name(settings.server.data_dir))
    if store.blank and keys:
        store.close()
        raise _lost("the database has never seen this node nor any CA", keys[0])
    store.claim()
    return store


def node_name(data_dir: Path) -> str:
    """The name in the data directory's ``node`` file, made when missing.

    Raises:
        StoreUnopenable: it cannot be read or written, or holds no name.
    """
    path = data_dir / NODE_FILE
    try:
        if not path.exists():
            write_file(path, f"{_new_name()}\n".encode(), mode=0o600)
        name = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as err:
        raise StoreUnopenable(str(path), note=str(err)) from err
    if _NAME.fullmatch(name) is None:
        raise StoreUnopenable(str(path), note="it holds no node name; restore it from a backup")
    return name


def _new_name() -> str:
    return f"node-{secrets.token_hex(4)}"


def _lost(found: str, key: Path) -> RecordsLost:
    return RecordsLost(
        f"{found}, but {key} is there: all records and revocations would be lost. Restore the"
        " database from a backup; to begin anew, move the ca-* files away."
    )
