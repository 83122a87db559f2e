"""The pepper of the API keys: 32 octets in a file of their own, made at first start.

Without it the digests on record prove nothing, so the store remembers which pepper they
were made with: a node with another one refuses to start, and a lost file is never
replaced in silence.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from certctl.domain.api_keys import PEPPER_OCTETS, pepper_digest
from certctl.issuers.atomic_write import write_file
from certctl.store import PepperMismatch

FILE = "api.pepper"


class PepperRefused(Exception):
    """The file cannot be used; the text says why and what to do."""


class PepperStore(Protocol):
    """The writable store, as far as it knows of peppers."""

    def pepper(self) -> bytes | None: ...

    def bind_pepper(self, digest: bytes) -> None: ...


def open_pepper(directory: Path, store: PepperStore) -> bytes:
    """Read the pepper, or make it for a store that never had one; for whoever writes.

    Raises:
        PepperMismatch: the keys on record belong to another pepper, or the file is lost.
        PepperRefused: others can read it, or it is damaged.
        OSError: it cannot be written.
    """
    path = directory / FILE
    if not path.exists():
        if store.pepper() is not None:
            raise PepperMismatch
        write_file(path, secrets.token_bytes(PEPPER_OCTETS).hex().encode() + b"\n", mode=0o600)
    pepper = read_pepper(directory)
    store.bind_pepper(pepper_digest(pepper))
    return pepper


def read_pepper(directory: Path) -> bytes:
    """The pepper as it is; for workers and host commands beside a running server.

    Raises:
        PepperRefused: missing, others can read it, or it is damaged.
    """
    path = directory / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise PepperRefused(f"{path} can be read by others, or is no file: chmod 0600")
            text = file.read(4 * PEPPER_OCTETS)
    except OSError as err:
        raise PepperRefused(f"{path} cannot be read: {err.strerror}") from err
    try:
        pepper = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        pepper = b""
    if len(pepper) != PEPPER_OCTETS:
        raise PepperRefused(f"{path} is damaged: bring it back from its backup")
    return pepper
